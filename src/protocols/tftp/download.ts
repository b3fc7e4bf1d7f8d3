import type { OptionList, Packet } from "./packet.ts";

/** A read transfer from the client's side. Times in milliseconds. */
export interface DownloadPlan {
  filename: string;
  options: OptionList;
  /** Only the size is wanted: the transfer is aborted once it is known. */
  sizeOnly: boolean;
  /** How long each try waits, the last for all that follow. */
  waits: readonly number[];
  tries: number;
}

export interface Downloading {
  phase: "asking" | "receiving";
  /** The server's port of this transfer; 0 until it answered. */
  port: number;
  /** Last block taken, counted from 1 without wrapping. */
  block: number;
  bytes: number;
  /** Blocks taken since the last ACK. */
  unacknowledged: number;
  blksize: number;
  windowsize: number;
  /** As the server says in its OACK. */
  size: number | undefined;
  tries: number;
  dueAt: number;
  /** Times something had to be said again. */
  retries: number;
  last: Packet;
}

export type DownloadEnd =
  | { kind: "done" }
  | { kind: "size" }
  | { kind: "refused"; code: number; message: string }
  | { kind: "silent" }
  | { kind: "broken"; detail: string };

export interface DownloadStep {
  state: Downloading;
  /** To the server's port, `state.port`, or to its well-known one while that is 0. */
  send?: Packet;
  /** The next bytes of the file. */
  take?: Uint8Array;
  end?: DownloadEnd;
}

export type DownloadEvent =
  | { kind: "packet"; packet: Packet; port: number; at: number }
  | { kind: "timeout"; at: number };

/** RFC 1350: without an option, blocks of this many bytes. */
const defaultBlksize = 512;

export function beginDownload(plan: DownloadPlan, at: number): DownloadStep {
  const request: Packet = { kind: "RRQ", filename: plan.filename, mode: "octet", options: plan.options };
  const state: Downloading = {
    ...{ phase: "asking", port: 0, block: 0, bytes: 0, unacknowledged: 0 },
    ...{ blksize: defaultBlksize, windowsize: 1, size: undefined, tries: 0, retries: 0 },
    dueAt: at + waitOf(plan, 0),
    last: request,
  };
  return { state, send: request };
}

export function decideDownload(plan: DownloadPlan, state: Downloading, event: DownloadEvent): DownloadStep {
  if (event.kind === "timeout") {
    if (event.at < state.dueAt) return { state };
    const tries = state.tries + 1;
    if (tries >= plan.tries) return { state, end: { kind: "silent" } };
    const again = { ...state, tries, retries: state.retries + 1, dueAt: event.at + waitOf(plan, tries) };
    return { state: again, send: state.last };
  }
  const { packet, port, at } = event;
  // RFC 1350 §4: what comes from another port is another transfer's
  if (state.port !== 0 && port !== state.port) return { state };
  switch (packet.kind) {
    case "ERROR":
      return { state, end: { kind: "refused", code: packet.code, message: packet.message } };
    case "OACK":
      return state.block > 0 ? { state } : onOptions(plan, { ...state, port }, packet.options, at);
    case "DATA":
      return onData(plan, { ...state, port }, packet, at);
    default:
      return { state };
  }
}

function onOptions(plan: DownloadPlan, state: Downloading, granted: OptionList, at: number): DownloadStep {
  const asked = new Map(plan.options.map(([name, value]) => [name.toLowerCase(), Number(value)]));
  const values = new Map(granted.map(([name, value]) => [name.toLowerCase(), Number(value)]));
  for (const [name, value] of values) {
    const wish = asked.get(name);
    // rule 17, RFC 2347: what was not asked for, or is larger, aborts in EDK2
    if (wish === undefined || (name !== "tsize" && value > wish)) {
      const detail = `the server grants ${name} ${value}, which was ${wish === undefined ? "not asked for" : `asked for as ${wish}`}`;
      return { state, send: abort, end: { kind: "broken", detail } };
    }
  }
  const next: Downloading = {
    ...state,
    phase: "receiving",
    blksize: values.get("blksize") ?? defaultBlksize,
    windowsize: values.get("windowsize") ?? 1,
    size: values.get("tsize"),
  };
  if (plan.sizeOnly) return { state: next, send: abort, end: { kind: "size" } };
  return acknowledge(plan, next, at);
}

const abort: Packet = { kind: "ERROR", code: 0, message: "aborted by the client" };

function onData(
  plan: DownloadPlan,
  state: Downloading,
  packet: Extract<Packet, { kind: "DATA" }>,
  at: number,
): DownloadStep {
  if (plan.sizeOnly) return { state, send: abort, end: { kind: "size" } };
  const ahead = (packet.block - state.block) & 0xffff;
  if (ahead !== 1) {
    // a block again in lock step is acknowledged again; a gap in a window is told once, by the last block taken
    const known = ahead === 0 || ahead > 0x8000;
    if (state.windowsize === 1 ? !known : known || state.unacknowledged < 0) return { state };
    const step = acknowledge(plan, { ...state, retries: state.retries + 1 }, at);
    return state.windowsize === 1 ? step : { ...step, state: { ...step.state, unacknowledged: -1 } };
  }
  const { length } = packet.bytes;
  const next: Downloading = {
    ...state,
    ...{ phase: "receiving", block: state.block + 1, bytes: state.bytes + length, tries: 0 },
    unacknowledged: Math.max(0, state.unacknowledged) + 1,
    dueAt: at + waitOf(plan, 0),
  };
  const last = length < state.blksize;
  if (!last && next.unacknowledged < state.windowsize) return { state: next, take: packet.bytes };
  const step = acknowledge(plan, next, at);
  const end = last ? { end: endOf(next) } : {};
  return { ...step, take: packet.bytes, ...end };
}

function endOf({ bytes, size }: Downloading): DownloadEnd {
  if (size === undefined || size === bytes) return { kind: "done" };
  return { kind: "broken", detail: `${bytes} bytes came of the ${size} announced` };
}

function acknowledge(plan: DownloadPlan, state: Downloading, at: number): DownloadStep {
  const packet: Packet = { kind: "ACK", block: state.block & 0xffff };
  return {
    state: { ...state, unacknowledged: 0, dueAt: at + waitOf(plan, state.tries), last: packet },
    send: packet,
  };
}

const waitOf = ({ waits }: DownloadPlan, tries: number) => waits[Math.min(tries, waits.length - 1)] ?? 1000;
