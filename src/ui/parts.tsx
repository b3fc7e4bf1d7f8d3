import type { Child } from "hono/jsx";
import { formatDuration } from "../platform/duration.ts";
import { formatAge, formatTime } from "../platform/time.ts";

export type Tone = "done" | "busy" | "wait" | "fail" | "none";

export const State = ({ tone, children }: { tone: Tone; children?: Child }) => (
  <span class={`state ${tone}`}>{children}</span>
);

export const Time = ({ at }: { at: number }) => (
  <time datetime={new Date(at).toISOString()}>{formatTime(at)}</time>
);

export const Ago = ({ at, now }: { at: number; now: number }) => (
  <time datetime={new Date(at).toISOString()} title={formatTime(at)}>
    {formatAge(now - at)} ago
  </time>
);

/** Whole seconds; goes on counting where the page's script runs. */
export const Since = ({ at, now }: { at: number; now: number }) => (
  <span data-since={String(at)}>
    {formatDuration(Math.max(0, Math.round((now - at) / 1000) * 1000)).replace(".0 s", " s")}
  </span>
);

/** What is not there is left out. */
export function Facts({ items }: { items: readonly (readonly [string, Child | undefined])[] }) {
  const shown = items.filter(([, value]) => value !== undefined && value !== "");
  return (
    <dl class="facts">
      {shown.map(([name, value]) => (
        <>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </>
      ))}
    </dl>
  );
}

export interface Column<Row> {
  title: string;
  value: (row: Row) => Child;
  number?: boolean;
}

/** A table that becomes cards on a phone; the first column names the row. */
export function Table<Row>({
  id,
  label,
  rows,
  columns,
  empty,
}: {
  id?: string;
  label: string;
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  empty: Child;
}) {
  if (rows.length === 0) {
    return (
      <div id={id} data-live={id === undefined ? undefined : ""}>
        <p class="empty">{empty}</p>
      </div>
    );
  }
  return (
    <div class="scroll" id={id} data-live={id === undefined ? undefined : ""}>
      <table class="cards" aria-label={label}>
        <thead>
          <tr>
            {columns.map(({ title, number }) => (
              <th scope="col" class={number ? "number" : undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr>
              {columns.map(({ title, value, number }, index) =>
                index === 0 ? (
                  <th scope="row">{value(row)}</th>
                ) : (
                  <td data-label={title} class={number ? "number" : undefined}>
                    <div>{value(row)}</div>
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A button that does one thing, without a script. */
export const PostButton = ({
  action,
  label,
  danger,
  fields = {},
}: {
  action: string;
  label: string;
  danger?: boolean;
  fields?: Record<string, string>;
}) => (
  <form class="inline" method="post" action={action}>
    {Object.entries(fields).map(([name, value]) => (
      <input type="hidden" name={name} value={value} />
    ))}
    <button type="submit" class={danger ? "danger" : undefined}>
      {label}
    </button>
  </form>
);

/** A labelled input with its hint and, when it was refused, why. */
export function Field({
  name,
  label,
  hint,
  error,
  wide,
  control,
}: {
  name: string;
  label: string;
  hint?: Child;
  error?: string | undefined;
  wide?: boolean;
  /** Gets what ties it to label, hint and error. */
  control: (attributes: {
    id: string;
    name: string;
    "aria-describedby": string | undefined;
    "aria-invalid": "true" | undefined;
  }) => Child;
}) {
  const id = `field-${name}`;
  const described = [hint === undefined ? "" : `${id}-hint`, error === undefined ? "" : `${id}-error`]
    .filter((each) => each !== "")
    .join(" ");
  return (
    <div class={wide ? "field wide" : "field"}>
      <label for={id}>{label}</label>
      {control({
        id,
        name,
        "aria-describedby": described === "" ? undefined : described,
        "aria-invalid": error === undefined ? undefined : "true",
      })}
      {hint === undefined ? null : (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error === undefined ? null : (
        <p class="error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}
