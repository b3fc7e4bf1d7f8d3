import type { BootOrders, Machines } from "../machines/service.ts";
import { readMac } from "../platform/mac.ts";
import { type BootFact, describeFact } from "./boot-fact.ts";
import type { BootRecord } from "./record.ts";
import { decideVerdict } from "./verdict.ts";
import type { Verdict } from "./verdict-step.ts";

/** One boot as people read it. Times are milliseconds since the epoch. */
export interface Boot {
  startedAt: number;
  lastAt: number;
  /** Facts that found no room. */
  dropped: number;
  verdict: Verdict;
  events: {
    at: number;
    lastAt: number;
    /** How often it happened in a row. */
    times: number;
    text: string;
    fact: BootFact;
  }[];
}

export interface BootHistory {
  /** Newest first. @throws `not-found` for a name that no machine has. */
  of(macOrName: string): Promise<{ mac: string; boots: Boot[] }>;
  resource: Machines["resource"];
}

export interface BootHistoryDeps {
  record: Pick<BootRecord, "boots">;
  machines: Pick<Machines, "find" | "resource"> & { orders: Pick<BootOrders, "primaryMac"> };
  now(): number;
  /** A time of day as whoever reads the verdict has it on the wall: `12:01:03`. */
  timeOf(at: number): string;
}

/** How machines booted: the record, each boot with a verdict. */
export function createBootHistory({ record, machines, now, timeOf }: BootHistoryDeps): BootHistory {
  return {
    resource: machines.resource,
    async of(word) {
      const asked = readMac(word);
      // A machine that never came as far as its discovery has a record, and no name.
      const mac =
        asked === undefined ? machines.find(word).mac : (machines.orders.primaryMac(asked) ?? asked);
      const boots = await record.boots(mac);
      return {
        mac,
        boots: boots.map(({ startedAt, lastAt, dropped, entries }) => ({
          startedAt,
          lastAt,
          dropped,
          verdict: decideVerdict(entries, now(), timeOf),
          events: entries.map(({ fact, times, lastAt }) => ({
            at: fact.at,
            lastAt,
            times,
            text: describeFact(fact),
            fact,
          })),
        })),
      };
    },
  };
}
