import type { MachineDetail, MachineView } from "../machines/api.ts";
import { describeExpectation, wholeInstall } from "../machines/service.ts";
import { formatDuration } from "../platform/duration.ts";
import { Since, State, type Tone } from "./parts.tsx";

export const machinesPath = "/ui/machines";
/** @param key the MAC, with the bastion where that is another one. */
export const machinePath = (key: string) => `${machinesPath}/${encodeURIComponent(key)}`;

const tones: Record<MachineView["state"], Tone> = {
  discovered: "none",
  queued: "wait",
  installing: "busy",
  installed: "done",
  failed: "fail",
  stalled: "fail",
};

export const MachineState = ({ state }: Pick<MachineView, "state">) => (
  <State tone={tones[state]}>{state}</State>
);

/** `packages`, or where and why it stopped. */
export const stateDetail = ({ state, stage, reason }: MachineView) =>
  state === "failed" ? [stage, reason].filter((each) => each !== undefined).join(": ") : stage;

/** How far an install is by its stages; what is not known of it is left out. */
function progressOf({ stages, knownStages, expectations }: MachineDetail, now: number) {
  const first = stages[0]?.startedAt;
  const elapsed = first === undefined ? 0 : now - first;
  const usual = expectations[wholeInstall];
  // Time is the better measure where there is experience: writing an image is one stage of many, and most of it.
  if (usual !== undefined) return { value: Math.min(elapsed / usual.medianMs, 0.98), first, usual };
  if (knownStages.length === 0) return { value: undefined, first, usual };
  const done = stages.filter(({ state }) => state === "done").length;
  return { value: done / knownStages.length, first, usual };
}

/** The stages of the current install, with what they usually take. */
export function Progress({ machine, now }: { machine: MachineDetail; now: number }) {
  const { stages, knownStages, expectations, state } = machine;
  const running = state === "installing";
  const { value, first, usual } = progressOf(machine, now);
  const reached = new Set(stages.map(({ name }) => name));
  const last = Math.max(-1, ...stages.map(({ name }) => knownStages.indexOf(name)));
  const ahead =
    running || state === "queued" ? knownStages.slice(last + 1).filter((name) => !reached.has(name)) : [];
  return (
    <>
      {running && first !== undefined ? (
        <>
          <p>
            <Since at={first} now={now} />
            {usual === undefined ? null : `, ${describeExpectation(usual)}`}
          </p>
          <progress max={1} value={value} aria-label="Progress of the install" />
        </>
      ) : null}
      {stages.length + ahead.length === 0 ? <p class="quiet">No install has reported yet.</p> : null}
      <ol class="stages">
        {stages.map(({ name, state: outcome, startedAt, endedAt, message }) => (
          <li data-stage={name} data-state={outcome}>
            <State tone={outcome === "running" ? "busy" : outcome === "done" ? "done" : "fail"}>{name}</State>
            <span class="took">
              {outcome === "running" && running ? (
                <Since at={startedAt} now={now} />
              ) : endedAt === undefined ? null : (
                formatDuration(endedAt - startedAt)
              )}
              <Usual expectation={outcome === "running" ? expectations[name] : undefined} />
            </span>
            <span class="message">{message?.split("\n", 1)[0]}</span>
          </li>
        ))}
        {ahead.map((name) => (
          <li>
            <State tone="none">{name}</State>
            <span class="took">
              <Usual expectation={expectations[name]} bare />
            </span>
          </li>
        ))}
      </ol>
    </>
  );
}

function Usual({
  expectation,
  bare,
}: {
  expectation: Parameters<typeof describeExpectation>[0] | undefined;
  bare?: boolean;
}) {
  if (expectation === undefined) return null;
  return <span>{`${bare ? "" : ", "}${describeExpectation(expectation)}`}</span>;
}

/** One line for a list: `packages, 4 min, usually 5 ± 1 min`. */
export function BriefProgress({ machine, now }: { machine: MachineDetail; now: number }) {
  const { stages, expectations } = machine;
  const current = stages.findLast(({ state }) => state === "running") ?? stages.at(-1);
  if (current === undefined) return <>waits for its installer</>;
  const usual = expectations[current.name];
  return (
    <>
      {current.name}, <Since at={current.startedAt} now={now} />
      {usual === undefined ? null : `, ${describeExpectation(usual)}`}
      <progress
        max={1}
        value={progressOf(machine, now).value}
        aria-label={`Install of ${machine.name ?? machine.mac}`}
      />
    </>
  );
}
