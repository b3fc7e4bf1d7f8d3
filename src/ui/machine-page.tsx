import type { Child } from "hono/jsx";
import type { Actor, Permission } from "../access/service.ts";
import type { Boot } from "../boot/history-service.ts";
import type { MachineDetail } from "../machines/api.ts";
import { inventorySchema } from "../machines/inventory.ts";
import { formatTime } from "../platform/time.ts";
import { Hardware } from "./hardware.tsx";
import { MachineState, machinePath, Progress } from "./machine-parts.tsx";
import { mayOn } from "./page.tsx";
import { Ago, Facts, PostButton, Table, Time } from "./parts.tsx";

/** Events of one boot on the page. */
const shownEvents = 100;

/** One machine: where its install stands, its log, its boots, what it is made of, what happened to it. */
export function MachinePage({
  machine,
  labels,
  actor,
  boots,
  log,
  now,
}: {
  machine: MachineDetail;
  labels: Readonly<Record<string, string>>;
  actor: Actor;
  /** Absent for a machine of a bastion elsewhere, which keeps its record itself. */
  boots: readonly Boot[] | undefined;
  log: { lines: readonly { at: number; text: string; source?: string | undefined }[]; total: number };
  now: number;
}) {
  const inventory = inventorySchema.safeParse(machine.inventory);
  // One of a bastion elsewhere is only read here.
  const mayHere = (permission: Permission) =>
    machine.bastion === undefined && mayOn(actor, permission, labels);
  return (
    <>
      <div class="head">
        <div id="state" data-live>
          <h1>{machine.name ?? machine.mac}</h1>
          <p class="sub" role="status">
            <MachineState state={machine.state} /> since <Time at={machine.since} />
            {machine.name === undefined ? null : (
              <>
                {" "}
                · <span class="mono">{machine.mac}</span>
              </>
            )}
            {machine.role === undefined ? null : ` · ${machine.role}`}
            {machine.bastion === undefined ? null : ` · on bastion/${machine.bastion}`}
          </p>
        </div>
        {mayHere("machines:install") ? (
          <div class="actions" id="actions" data-live>
            {machine.state === "queued" ? (
              <PostButton action={`${machinePath(machine.mac)}/cancel`} label="Cancel the install" />
            ) : null}
            <a class="button primary" href={`${machinePath(machine.mac)}/install`}>
              Install…
            </a>
          </div>
        ) : null}
      </div>
      <div id="outcome" data-live>
        {machine.reason === undefined ? null : (
          <div class="errors" role="alert">
            <h2>{`The install failed${machine.stage === undefined ? "" : ` in stage ${machine.stage}`}`}</h2>
            <p>{machine.reason}</p>
          </div>
        )}
      </div>
      <div class="columns even">
        <section class="panel" aria-labelledby="progress-title" id="progress" data-live>
          <h2 id="progress-title">Install</h2>
          <Progress machine={machine} now={now} />
        </section>
        <section class="panel flush filled" aria-labelledby="log-title">
          <div class="bar-of-log">
            <h2 id="log-title">Log</h2>
            <span class="quiet" id="log-total" data-total={log.total}>
              {log.total === 0 ? "nothing was logged yet" : `${log.total} lines`}
            </span>
          </div>
          <ol class="log" id="log" role="log" aria-live="off" aria-labelledby="log-title" tabindex={0}>
            {log.lines.map(({ at, source, text }) => (
              <li>
                <time datetime={new Date(at).toISOString()}>{formatTime(at).slice(11)}</time>
                <span class="source">{source === undefined ? "" : ` ${source}:`}</span> {text}
              </li>
            ))}
          </ol>
        </section>
      </div>
      {boots === undefined ? null : <Boots boots={boots} />}
      <Section id="hardware" title="Hardware">
        {inventory.success ? (
          <Hardware inventory={inventory.data} />
        ) : (
          <p class="quiet">It has not been discovered yet: nothing is known of what it is made of.</p>
        )}
      </Section>
      <div class="columns">
        <Section id="history" title="History">
          <ol class="timeline wide">
            {machine.history.map(({ at, what }) => (
              <li>
                <Time at={at} />
                <span>{what}</span>
              </li>
            ))}
          </ol>
          {machine.history.length === 0 ? <p class="quiet">Nothing yet.</p> : null}
        </Section>
        <section class="panel flush" aria-label="Installs" id="installs" data-live>
          <Table
            label="Installs"
            rows={machine.installs}
            empty="It was never installed."
            columns={[
              { title: "Queued", value: ({ queuedAt }) => <Time at={queuedAt} /> },
              { title: "Name", value: ({ name }) => name },
              { title: "System", value: ({ os }) => os },
              { title: "Role", value: ({ role }) => role },
              { title: "Outcome", value: ({ outcome }) => outcome },
              { title: "Reason", value: ({ reason }) => reason },
            ]}
          />
        </section>
      </div>
      <Section id="about" title="Record">
        <Facts
          items={[
            ["Network cards", machine.nics.join(" ")],
            ["First seen", <Time at={machine.firstSeenAt} />],
            ["Last seen", <Ago at={machine.seenAt} now={now} />],
            [
              "Boot options",
              Object.entries(machine.bootOptions ?? {})
                .map(([key, value]) => `${key}=${value}`)
                .join(" "),
            ],
          ]}
        />
        {mayHere("machines:forget") ? (
          <details>
            <summary>Forget this machine…</summary>
            <p>Its record, its logs and a queued install go. It is discovered again when it next boots.</p>
            <PostButton
              action={`${machinePath(machine.mac)}/forget`}
              label="Forget it"
              danger
              fields={machine.state === "installing" ? { force: "true" } : {}}
            />
          </details>
        ) : null}
      </Section>
    </>
  );
}

const Section = ({ id, title, children }: { id: string; title: string; children: Child }) => (
  <section class="panel" aria-labelledby={`${id}-title`} id={id} data-live>
    <h2 id={`${id}-title`}>{title}</h2>
    {children}
  </section>
);

const verdictTones = { done: "done", "under-way": "busy", stopped: "fail" } as const;

/** Every step from power-on, with a plain word on where it stands. */
function Boots({ boots }: { boots: readonly Boot[] }) {
  return (
    <Section id="boots" title="Boot record">
      {boots.length === 0 ? <p class="quiet">No boot of it was recorded.</p> : null}
      {boots.map(({ startedAt, verdict, events, dropped }, index) => (
        <details id={`boot-${startedAt}`} open={index === 0}>
          <summary>
            <Time at={startedAt} /> · {verdict.text}
          </summary>
          {verdict.advice === undefined ? null : (
            <p class={`note ${verdictTones[verdict.outcome]}`}>{verdict.advice}</p>
          )}
          {events.length > shownEvents ? (
            <p class="quiet">{`The last ${shownEvents} of ${events.length} steps.`}</p>
          ) : null}
          <ol class="timeline">
            {events.slice(-shownEvents).map(({ at, text, times }) => (
              <li>
                <time datetime={new Date(at).toISOString()}>{formatTime(at).slice(11)}</time>
                <span>
                  {text}
                  {times > 1 ? <span class="quiet">{` (${times} times)`}</span> : null}
                </span>
              </li>
            ))}
          </ol>
          {dropped > 0 ? <p class="quiet">{`… and ${dropped} more`}</p> : null}
        </details>
      ))}
    </Section>
  );
}
