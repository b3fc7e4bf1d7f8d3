import type { Seen } from "./boot-seen.ts";

/** What became of a boot, in words. `stopped`: it will not go on by itself, and `advice` says what to do. */
export interface Verdict {
  outcome: "done" | "under-way" | "stopped";
  text: string;
  advice?: string;
}

export type TimeOf = (at: number) => string;

/** Milliseconds a machine may be silent at each step before it counts as stopped: slow firmware, slow disks. */
export const patience = { dhcp: 45_000, loader: 60_000, script: 60_000, kernel: 60_000, system: 300_000 };

export interface Step {
  seen: Seen;
  /** Milliseconds since the last fact. */
  silent: number;
  timeOf: TimeOf;
}

export const done = (text: string): Verdict => ({ outcome: "done", text });
export const stopped = (text: string, advice: string): Verdict => ({ outcome: "stopped", text, advice });

/** `text` as long as the machine may still go on, the verdict after that. */
export function after({ silent }: Step, limit: number, waiting: string, verdict: Verdict): Verdict {
  return silent < limit ? { outcome: "under-way", text: waiting } : verdict;
}
