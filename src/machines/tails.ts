import type { Mac } from "../platform/mac.ts";
import type { Queries } from "../store/database.ts";
import type { LogRepository, TailState } from "./log-repository.ts";

/** Where the numbering of each reporting install stands. Used, and changed, inside transactions only. */
export interface Tails {
  of(tx: Queries, mac: Mac, installId: string): TailState;
  /** After a transaction failed: what it changed here never happened, and the database says what did. */
  drop(mac: Mac): void;
}

/** As many as there are machines: one that has to be read again with each report of a rack is read all the time. */
const maxKept = 20_000;

export function createTails(logs: LogRepository): Tails {
  const kept = new Map<Mac, { installId: string; state: TailState }>();
  return {
    of(tx, mac, installId) {
      const known = kept.get(mac);
      if (known?.installId === installId) return known.state;
      const state = logs.loadTail(tx, mac, installId);
      kept.set(mac, { installId, state });
      if (kept.size > maxKept) {
        const oldest = kept.keys().next();
        if (!oldest.done) kept.delete(oldest.value);
      }
      return state;
    },
    drop: (mac) => void kept.delete(mac),
  };
}
