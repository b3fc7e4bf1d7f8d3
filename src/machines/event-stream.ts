import { presentable, type StoredLine } from "./log-line.ts";
import type { Machine } from "./machine.ts";
import type { MachineState } from "./model.ts";
import type { StageOutcome } from "./stage.ts";

// Server-sent events (HTML standard, section 9.2). A payload is one line of JSON, so it needs one `data:`.

const frame = (event: string, data: unknown, id?: number) =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** Milliseconds a client waits before it connects again. */
export const streamStart = "retry: 2000\n\n";
export const keepAlive = ":\n\n";

/** A `log` event for each line of a batch. */
export function formatLogEvents(batch: { event: number; at: number; lines: readonly StoredLine[] }): string {
  let text = "";
  let id = batch.event;
  for (const [seq, line, source] of batch.lines) {
    text += frame("log", { seq, at: batch.at, source, text: presentable(line) }, id++);
  }
  return text;
}

export function formatStageEvent(report: {
  event: number;
  seq: number;
  stage: string;
  outcome: StageOutcome;
  message?: string | undefined;
  at: number;
}): string {
  const { event, seq, stage, outcome, message, at } = report;
  return frame("stage", { seq, at, stage, state: outcome, message }, event);
}

export interface StateEvent {
  state: MachineState["kind"] | "forgotten";
  since: number;
  installId?: string | undefined;
  stage?: string | undefined;
  reason?: string | undefined;
}

/** Without an id: it tells what is now; sent once a follower has what was there before, and on each change. */
export function formatStateEvent(machine: Machine, forgotten: boolean): string {
  const { state } = machine;
  const data: StateEvent = {
    state: forgotten ? "forgotten" : state.kind,
    since: state.since,
    installId: "installId" in state ? state.installId : undefined,
    stage: "stage" in state ? state.stage : undefined,
    reason: state.kind === "failed" ? state.reason : undefined,
  };
  return frame("state", data);
}
