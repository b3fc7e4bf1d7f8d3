/** Time bounds of a transfer, all in milliseconds. */
export interface TransferTimes {
  /** First wait for an answer, before anything was measured. */
  initial: number;
  /** No retransmission sooner than this, however near the client. */
  floor: number;
  /** Back-off doubles up to this. */
  ceiling: number;
  /** Silence after which a client that never answered is given up. */
  firstAnswer: number;
  /** Silence after which a transfer under way is given up. */
  silence: number;
  /** The longest a transfer may take in all. */
  whole: number;
}

/** What stays the same for the whole of a read transfer. */
export interface TransferPlan {
  /** DATA packets in all, at least 1. */
  blocks: number;
  windowsize: number;
  /** Options were granted: an OACK opens, the client's ACK 0 answers it. */
  offers: boolean;
  /** The client asked for tsize: dropping the transfer before any data is normal. */
  sizeAsked: boolean;
  /** RFC 2349 timeout: the first interval, and the longest until a retransmission was tried. */
  timeoutMs: number | undefined;
  times: TransferTimes;
}

export type Outcome =
  /** Every block was acknowledged. */
  | "completed"
  /** Every block was sent; the client was gone before its last acknowledgement arrived. */
  | "unconfirmed"
  /** The client wanted the size and nothing else. */
  | "probed"
  /** The client sent an ERROR. */
  | "aborted"
  /** The client's host says that nobody listens on its port any more. */
  | "unreachable"
  /** The client fell silent, or took longer than allowed. */
  | "timed-out"
  /** The file could not be read. */
  | "failed"
  /** The same client port asked anew. */
  | "superseded"
  /** The server was stopped. */
  | "stopped";

/** Block numbers here count from 1 and never wrap. */
export interface Running {
  readonly phase: "offering" | "sending";
  /** Highest block the client acknowledged; 0 before the first. */
  readonly acked: number;
  /** Highest block of the window under way. */
  readonly sent: number;
  readonly startedAt: number;
  /** When the packets now unanswered were last sent. */
  readonly sentAt: number;
  /** When the client last moved forward. */
  readonly progressAt: number;
  /** When `timeout` is due. */
  readonly dueAt: number;
  /** Retransmissions of what is now unanswered: drives the back-off, forbids measuring (Karn). */
  readonly tries: number;
  /** This window was already sent again for a repeated ACK. */
  readonly rolledBack: boolean;
  /** Smoothed round trip and its deviation (RFC 6298 §2), `undefined` before the first sample. */
  readonly rtt: { smooth: number; deviation: number } | undefined;
  /** Times anything was sent again. */
  readonly retries: number;
}

export interface Ended {
  phase: "ended";
  outcome: Outcome;
  detail: string;
  acked: number;
  retries: number;
}

export type TransferState = Running | Ended;

/** `at` is monotonic time in milliseconds. */
export type TransferEvent =
  | { kind: "ack"; block: number; at: number }
  | { kind: "error"; code: number; message: string }
  | { kind: "unexpected"; what: string }
  | { kind: "timeout"; at: number }
  | { kind: "unreachable" }
  | { kind: "unreadable"; reason: string }
  | { kind: "superseded" }
  | { kind: "stop" };

export type TransferAction =
  | { kind: "send-oack" }
  /** Blocks `first … first + count - 1`. */
  | { kind: "send-data"; first: number; count: number }
  | { kind: "send-error"; code: number; message: string };

export interface Step {
  state: TransferState;
  actions: readonly TransferAction[];
}

const nothing: readonly TransferAction[] = [];
const offer: readonly TransferAction[] = [{ kind: "send-oack" }];

/** The first step: an OACK where options were granted, the first window otherwise. */
export function begin(plan: TransferPlan, at: number): Step {
  const state: Running = {
    phase: plan.offers ? "offering" : "sending",
    acked: 0,
    sent: 0,
    startedAt: at,
    sentAt: at,
    progressAt: at,
    dueAt: at + interval(plan, undefined, 0),
    tries: 0,
    rolledBack: false,
    rtt: undefined,
    retries: 0,
  };
  return plan.offers ? { state, actions: offer } : sendWindow(plan, state, at);
}

export function decide(plan: TransferPlan, state: TransferState, event: TransferEvent): Step {
  if (state.phase === "ended") return { state, actions: nothing };
  switch (event.kind) {
    case "ack":
      return onAck(plan, state, event.block, event.at);
    case "timeout":
      return onTimeout(plan, state, event.at);
    case "error":
      return end(
        state,
        isProbe(plan, state) ? "probed" : "aborted",
        `client sent error ${event.code}${event.message ? `: ${event.message}` : ""}`,
      );
    case "unreachable":
      if (state.sent === plan.blocks)
        return end(state, "unconfirmed", "client closed its port after the last block");
      return end(state, isProbe(plan, state) ? "probed" : "unreachable", "client closed its port");
    case "unexpected":
      return end(state, "aborted", `client sent ${event.what} in a read transfer`, 4);
    case "unreadable":
      return end(state, "failed", event.reason, 0, "file cannot be read");
    case "superseded":
      return end(state, "superseded", "the same client port asked anew");
    case "stop":
      return end(state, "stopped", "server is stopping", 0);
  }
}

function onAck(plan: TransferPlan, state: Running, block: number, at: number): Step {
  if (state.phase === "offering") {
    if (block !== 0) return { state, actions: nothing };
    return sendWindow(plan, { ...state, phase: "sending", rtt: measured(state, at), progressAt: at }, at);
  }
  // the wire's 16 bits as a distance from what was acknowledged: the number wraps past 65535
  const ahead = (block - state.acked) & 0xffff;
  if (ahead === 0) return onRepeatedAck(plan, state, at);
  const acked = state.acked + ahead;
  if (acked > state.sent) return { state, actions: nothing };
  if (acked === plan.blocks) return end({ ...state, acked }, "completed", "");
  // RFC 7440 §4: an ACK inside the window names the last block before a gap; go on right after it
  const retries = state.retries + (acked < state.sent ? 1 : 0);
  return sendWindow(plan, { ...state, acked, retries, rtt: measured(state, at), progressAt: at }, at);
}

/**
 * RFC 1123 §4.2.3.1: a repeated ACK never causes a retransmission in lock step (the sorcerer's apprentice).
 * With a window it is also how a client says that the window's first block is missing. It is taken as that
 * once a window, and only after a round trip: what comes sooner answers something older.
 */
function onRepeatedAck(plan: TransferPlan, state: Running, at: number): Step {
  if (plan.windowsize === 1 || state.rolledBack || state.rtt === undefined)
    return { state, actions: nothing };
  if (at - state.sentAt < state.rtt.smooth * 0.75) return { state, actions: nothing };
  return resendWindow(
    plan,
    { ...state, retries: state.retries + 1, tries: state.tries + 1, rolledBack: true },
    at,
  );
}

function onTimeout(plan: TransferPlan, state: Running, at: number): Step {
  if (at < state.dueAt) return { state, actions: nothing };
  const patience = answered(state) ? plan.times.silence : plan.times.firstAnswer;
  const bound = Math.max(patience, 4 * (plan.timeoutMs ?? 0));
  if (at - state.progressAt >= bound) {
    const silent = Math.round((at - state.progressAt) / 1000);
    if (isProbe(plan, state)) return end(state, "probed", "client asked for the size and left");
    if (state.sent === plan.blocks)
      return end(state, "unconfirmed", `no answer to the last block for ${silent} s`);
    return end(state, "timed-out", `client silent for ${silent} s after block ${state.acked}`, 0);
  }
  if (at - state.startedAt >= plan.times.whole) {
    return end(state, "timed-out", `not done after ${Math.round((at - state.startedAt) / 1000)} s`, 0);
  }
  const again = { ...state, retries: state.retries + 1, tries: state.tries + 1, rolledBack: false };
  if (state.phase === "sending") return resendWindow(plan, again, at);
  return {
    state: { ...again, sentAt: at, dueAt: at + interval(plan, state.rtt, again.tries) },
    actions: offer,
  };
}

/** The window after what was acknowledged, for the first time. */
function sendWindow(plan: TransferPlan, state: Running, at: number): Step {
  return resendWindow(plan, { ...state, tries: 0, rolledBack: false }, at);
}

function resendWindow(plan: TransferPlan, state: Running, at: number): Step {
  const count = Math.min(plan.windowsize, plan.blocks - state.acked);
  const dueAt = at + interval(plan, state.rtt, state.tries);
  return {
    state: { ...state, sent: state.acked + count, sentAt: at, dueAt },
    actions: [{ kind: "send-data", first: state.acked + 1, count }],
  };
}

/** The round trip with one more sample; a retransmitted packet's answer says nothing of it (Karn). */
function measured(state: Running, at: number): Running["rtt"] {
  if (state.tries > 0) return state.rtt;
  const sample = at - state.sentAt;
  if (state.rtt === undefined) return { smooth: sample, deviation: sample / 2 };
  const deviation = state.rtt.deviation * 0.75 + Math.abs(state.rtt.smooth - sample) * 0.25;
  return { smooth: state.rtt.smooth * 0.875 + sample * 0.125, deviation };
}

/**
 * Milliseconds to wait for an answer after the `tries`-th retransmission. What was measured may shorten the
 * interval the client asked for, never lengthen it. Back-off ends well above the client's own interval: some
 * clients repeat a lost ACK only when nothing came for that long (atftp: 5 s).
 */
function interval(plan: TransferPlan, rtt: Running["rtt"], tries: number): number {
  const { initial, floor, ceiling } = plan.times;
  const first = plan.timeoutMs ?? initial;
  const base =
    rtt === undefined
      ? first
      : Math.min(Math.max(floor, rtt.smooth + 4 * rtt.deviation), plan.timeoutMs ?? ceiling);
  return Math.min(base * 2 ** tries, Math.max(ceiling, 2 * (plan.timeoutMs ?? 0)));
}

function answered(state: Running): boolean {
  return state.acked > 0 || state.rtt !== undefined;
}

function isProbe(plan: TransferPlan, state: Running): boolean {
  return plan.sizeAsked && state.acked === 0;
}

/** Ends, with an ERROR for the client where a code is given; `message` where it must not learn the detail. */
function end(state: Running, outcome: Outcome, detail: string, errorCode?: number, message = detail): Step {
  return {
    state: { phase: "ended", outcome, detail, acked: state.acked, retries: state.retries },
    actions: errorCode === undefined ? nothing : [{ kind: "send-error", code: errorCode, message }],
  };
}
