import { type StageOutcome, stallAfterMs } from "./stage.ts";

/** Where a machine is in its life; one that is not known has none. Times are milliseconds since the epoch. */
export type MachineState =
  /** It told what it is and waits for an order. */
  | { kind: "discovered"; since: number }
  /** Its next network boot installs; `before` is what it goes back to should that be cancelled. */
  | { kind: "queued"; since: number; installId: string; before: RestState }
  /** Its install data was fetched; the one that fetched it reports. */
  | { kind: "installing"; since: number; installId: string; stage?: string; heardAt: number }
  | { kind: "installed"; since: number; installId: string }
  | { kind: "failed"; since: number; installId: string; stage?: string; reason: string }
  /** It reported nothing for longer than its stage allows. */
  | { kind: "stalled"; since: number; installId: string; stage?: string; heardAt: number };

/** Where nothing is ordered and nothing runs. */
export type RestState = Exclude<MachineState, { kind: "queued" | "installing" }>;

export type Replace = boolean | "idle";

export type MachineEvent =
  | { kind: "discovered" }
  /** `replace` agrees to lose an installed system, or an install that waits or runs; `idle`: not one that runs. */
  | { kind: "queue"; installId: string; replace: Replace }
  /** Takes a queued install back. */
  | { kind: "cancel" }
  /** A valid token of this install fetched its data. */
  | { kind: "claim"; installId: string }
  | { kind: "report"; installId: string; stage: string; outcome: StageOutcome; message?: string }
  /** The watch looks whether it has gone silent. */
  | { kind: "check" }
  | { kind: "forget"; force: boolean };

/** What has to happen besides storing the state; each names the install it is about. */
export type Effect =
  | { kind: "install-queued"; installId: string }
  | { kind: "install-started"; installId: string }
  | { kind: "stage-reached"; installId: string; stage: string; outcome: StageOutcome; message?: string }
  /** It was taken for stalled and reports again. */
  | { kind: "install-resumed"; installId: string }
  | { kind: "install-ended"; installId: string; outcome: InstallOutcome; reason?: string };

export type InstallOutcome = "installed" | "failed" | "stalled" | "replaced" | "cancelled" | "forgotten";

export type Decision =
  /** `state` undefined: the record goes away. */
  | { kind: "next"; state: MachineState | undefined; effects: Effect[] }
  /** Nothing to do, and nobody did wrong. */
  | { kind: "ignore"; reason: string }
  /** Whoever asked has to be told. */
  | { kind: "refuse"; reason: string; hint: string };

/** The stage whose completion is the completion of the install. */
export const finalStage = "installed";
/** What the installed system itself says when it comes up: the installer is done, should its last word be lost. */
const firstBoot = "first-boot";

export function decide(state: MachineState | undefined, event: MachineEvent, now: number): Decision {
  switch (event.kind) {
    case "discovered":
      // Whatever it is in, a report only says what the machine is: an order or a result stays.
      return state === undefined
        ? next({ kind: "discovered", since: now })
        : { kind: "ignore", reason: `already ${state.kind}` };
    case "queue":
      return queue(state, event, now);
    case "cancel":
      return cancel(state);
    case "claim":
      return claim(state, event.installId, now);
    case "report":
      return report(state, event, now);
    case "check":
      return check(state, now);
    case "forget":
      return forget(state, event.force);
  }
}

function queue(
  state: MachineState | undefined,
  { installId, replace }: { installId: string; replace: Replace },
  now: number,
): Decision {
  const queued: MachineState = { kind: "queued", since: now, installId, before: restOf(state, now) };
  const effects: Effect[] = [{ kind: "install-queued", installId }];
  switch (state?.kind) {
    case undefined:
    case "discovered":
    case "failed":
    case "stalled":
      return next(queued, effects);
    case "queued":
    case "installing":
      if (!replace || (replace === "idle" && state.kind === "installing")) {
        return refuse(
          state.kind === "queued" ? "an install is queued already" : "an install is running",
          replace ? "wait for its end: labctl provision wait" : "--replace puts the new one in its place",
        );
      }
      return next(queued, [
        { kind: "install-ended", installId: state.installId, outcome: "replaced" },
        ...effects,
      ]);
    case "installed":
      if (!replace) return refuse("it is installed", "--replace gives up what is on its disk");
      return next(queued, effects);
  }
}

/** What a machine that is queued now would go back to. */
function restOf(state: MachineState | undefined, now: number): RestState {
  if (state === undefined) return { kind: "discovered", since: now };
  switch (state.kind) {
    case "queued":
      return state.before;
    case "installing": {
      const { installId, stage } = state;
      const reason = "it was given up for another install";
      return { kind: "failed", since: now, installId, reason, ...(stage === undefined ? {} : { stage }) };
    }
    default:
      return state;
  }
}

function cancel(state: MachineState | undefined): Decision {
  if (state?.kind === "queued") {
    return next(state.before, [{ kind: "install-ended", installId: state.installId, outcome: "cancelled" }]);
  }
  if (state?.kind === "installing") {
    return refuse(
      "its install runs already, and its disk is being written to",
      "let it end; or switch the machine off, and queue another install with --replace",
    );
  }
  return refuse("no install is queued", "labctl provision list shows what is");
}

function claim(state: MachineState | undefined, installId: string, now: number): Decision {
  if (state?.kind === "queued" && state.installId === installId) {
    return next({ kind: "installing", since: now, installId, heardAt: now }, [
      { kind: "install-started", installId },
    ]);
  }
  if (state?.kind === "installing" && state.installId === installId) {
    return { kind: "ignore", reason: "already installing" };
  }
  return refuse("this install is not waiting to start", "queue it again with labctl provision install");
}

function report(
  state: MachineState | undefined,
  event: { installId: string; stage: string; outcome: StageOutcome; message?: string },
  now: number,
): Decision {
  const { installId, stage, outcome, message } = event;
  if (state === undefined || state.kind === "discovered" || state.installId !== installId) {
    return refuse("this install is not the machine's current one", "its reports are no longer wanted");
  }
  if (state.kind === "queued") {
    return refuse("this install has not started", "fetch the install data before reporting");
  }
  if (state.kind === "installed" || state.kind === "failed") {
    return { kind: "ignore", reason: `the install has ended: ${state.kind}` };
  }
  const effects: Effect[] = [
    ...(state.kind === "stalled" ? [{ kind: "install-resumed" as const, installId }] : []),
    { kind: "stage-reached", installId, stage, outcome, ...(message === undefined ? {} : { message }) },
  ];
  if (outcome === "failed") {
    // The first line says what; what follows is the log's tail.
    const reason = message?.split("\n", 1)[0]?.slice(0, 500) || `${stage} failed`;
    return next({ kind: "failed", since: now, installId, stage, reason }, [
      ...effects,
      { kind: "install-ended", installId, outcome: "failed", reason },
    ]);
  }
  if ((stage === finalStage || stage === firstBoot) && outcome === "done") {
    return next({ kind: "installed", since: now, installId }, [
      ...effects,
      { kind: "install-ended", installId, outcome: "installed" },
    ]);
  }
  const since = state.kind === "installing" ? state.since : now;
  return next({ kind: "installing", since, installId, stage, heardAt: now }, effects);
}

function check(state: MachineState | undefined, now: number): Decision {
  if (state?.kind !== "installing") return { kind: "ignore", reason: "no install is running" };
  const { installId, stage, heardAt } = state;
  if (now - heardAt < stallAfterMs(stage)) return { kind: "ignore", reason: "it may still report" };
  const reason = `nothing heard since ${stage === undefined ? "the install data was fetched" : `stage '${stage}'`}`;
  return next(
    { kind: "stalled", since: now, installId, heardAt, ...(stage === undefined ? {} : { stage }) },
    [{ kind: "install-ended", installId, outcome: "stalled", reason }],
  );
}

function forget(state: MachineState | undefined, force: boolean): Decision {
  if (state === undefined) return refuse("it is not known", "labctl provision list shows what is");
  if (state.kind === "installing" && !force) {
    return refuse("an install is running", "--force forgets it all the same; its reports are then refused");
  }
  const ended: Effect[] =
    state.kind === "installing" || state.kind === "queued"
      ? [{ kind: "install-ended", installId: state.installId, outcome: "forgotten" }]
      : [];
  return next(undefined, ended);
}

const next = (state: MachineState | undefined, effects: Effect[] = []): Decision => ({
  kind: "next",
  state,
  effects,
});

const refuse = (reason: string, hint: string): Decision => ({ kind: "refuse", reason, hint });
