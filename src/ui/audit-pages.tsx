import { z } from "@hono/zod-openapi";
import type { AuditLog, AuditRecord } from "../access/service.ts";
import { createApi, type Gate, guardedRoute } from "../http/gate.ts";
import type { Show } from "./frame.ts";
import { pageRoute } from "./page.tsx";
import { Field, State, Table, Time, type Tone } from "./parts.tsx";

export const auditPath = "/ui/audit";
const perPage = 100;
const results = ["allowed", "refused", "failed"] as const;
const tones: Record<AuditRecord["result"], Tone> = { allowed: "done", refused: "wait", failed: "fail" };

// As a form sends it, which also sends the fields that were left empty.
const word = z.string().max(500).optional();
const query = z.object({ actor: word, action: word, resource: word, result: word, before: word });

/** What was asked for; what cannot be is not asked for. */
function filterOf(sent: z.output<typeof query>) {
  const text = (name: "actor" | "action" | "resource") => sent[name]?.trim().slice(0, 200) || undefined;
  const before = Number(sent.before);
  return {
    actor: text("actor"),
    action: text("action"),
    resource: text("resource"),
    result: results.find((each) => each === sent.result),
    before: Number.isSafeInteger(before) && before > 0 ? before : undefined,
  };
}
type Filter = ReturnType<typeof filterOf>;

function address(filter: Filter, before?: number): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries({ ...filter, before }))
    if (value !== undefined) search.set(key, String(value));
  return `${auditPath}?${search}`;
}

/** What was done, and whether the record of it is whole. */
export function createAuditPages({ gate, show, audit }: { gate: Gate; show: Show; audit: AuditLog }) {
  return createApi()
    .openapi(
      guardedRoute(gate, "audit:read", {
        ...pageRoute("get", auditPath, "The audit"),
        request: { query },
      }),
      async (context) => {
        const filter = filterOf(context.req.valid("query"));
        const records = await audit.list({ ...defined(filter), limit: perPage });
        const last = records.length === perPage ? records.at(-1) : undefined;
        return show(context, {
          title: "Audit",
          here: auditPath,
          children: (
            <>
              <div class="head">
                <div>
                  <h1>Audit</h1>
                  <p class="sub">What was done and what was refused, newest first.</p>
                </div>
                <div class="actions">
                  <a class="button" href={`${auditPath}/verify`}>
                    Verify the chain
                  </a>
                </div>
              </div>
              <search>
                <form class="panel filter" method="get" action={auditPath}>
                  {(["actor", "action", "resource"] as const).map((name) => (
                    <Field
                      name={name}
                      label={{ actor: "Who", action: "Action", resource: "Resource" }[name]}
                      control={(attributes) => (
                        <input
                          {...attributes}
                          value={filter[name]}
                          maxlength={200}
                          placeholder={
                            { actor: "user/*", action: "servers:*", resource: "server/node1" }[name]
                          }
                        />
                      )}
                    />
                  ))}
                  <Field
                    name="result"
                    label="Result"
                    control={(attributes) => (
                      <select {...attributes}>
                        <option value="">any</option>
                        {results.map((each) => (
                          <option value={each} selected={each === filter.result}>
                            {each}
                          </option>
                        ))}
                      </select>
                    )}
                  />
                  <button type="submit">Filter</button>
                </form>
              </search>
              <section class="panel flush">
                <Table
                  label="Records of the audit"
                  rows={records}
                  empty="Nothing that fits."
                  columns={[
                    { title: "Time", value: ({ at }) => <Time at={at} /> },
                    { title: "Who", value: ({ actor }) => actor },
                    { title: "From", value: ({ from }) => <span class="mono">{from}</span> },
                    { title: "Action", value: ({ action }) => <code>{action}</code> },
                    { title: "Resource", value: ({ resource }) => resource },
                    { title: "Result", value: ({ result }) => <State tone={tones[result]}>{result}</State> },
                    { title: "Detail", value: ({ detail }) => detail },
                  ]}
                />
                {last === undefined ? null : (
                  <nav class="pager" aria-label="Pages">
                    <a rel="next" href={address(filter, last.seq)}>
                      Older records
                    </a>
                  </nav>
                )}
              </section>
            </>
          ),
        });
      },
    )
    .openapi(
      guardedRoute(gate, "audit:read", pageRoute("get", "/ui/audit/verify", "Whether the audit is whole")),
      async (context) => {
        const verdict = await audit.verify();
        return show(context, {
          title: "Audit",
          here: auditPath,
          children: verdict.whole ? (
            <>
              <h1>The audit is whole</h1>
              <p class="note done">{`${verdict.records} records, each with the hash of the one before.`}</p>
              <p>
                Head of the chain: <code>{verdict.head}</code>
              </p>
              <p class="quiet">
                Keep the head elsewhere: whoever can write the database could rewrite all of it, but not to
                this head.
              </p>
            </>
          ) : (
            <>
              <h1>The audit was tampered with</h1>
              <div class="errors" role="alert">
                <p>{verdict.because}</p>
              </div>
            </>
          ),
        });
      },
    );
}

/** Without what was not asked for. */
const defined = <T extends object>(wanted: T) =>
  // checked: the same keys, minus those whose value is undefined
  Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>;
  };
