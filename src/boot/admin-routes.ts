import { Hono } from "hono";
import { z } from "zod";
import type { AppEnv, Routes } from "../http/app.ts";
import type { BootOrders, Machines } from "../machines/service.ts";
import { AppError } from "../platform/errors.ts";
import { readMac } from "../platform/mac.ts";
import { bootFactSchema, describeFact } from "./boot-fact.ts";
import type { BootRecord } from "./record.ts";
import { decideVerdict } from "./verdict.ts";

/** What `GET /api/v1/machines/:machine/boot` answers, newest boot first. Times are milliseconds since the epoch. */
export const bootRecordSchema = z.object({
  mac: z.string(),
  boots: z.array(
    z.object({
      startedAt: z.number(),
      lastAt: z.number(),
      /** Facts that found no room. */
      dropped: z.number(),
      verdict: z.object({
        outcome: z.enum(["done", "under-way", "stopped"]),
        text: z.string(),
        advice: z.string().optional(),
      }),
      events: z.array(
        z.object({
          at: z.number(),
          lastAt: z.number(),
          /** How often it happened in a row. */
          times: z.number(),
          text: z.string(),
          fact: bootFactSchema,
        }),
      ),
    }),
  ),
});
export type BootRecordAnswer = z.output<typeof bootRecordSchema>;

export interface BootAdminDeps {
  record: Pick<BootRecord, "boots">;
  machines: Pick<Machines, "find"> & { orders: Pick<BootOrders, "primaryMac"> };
  now(): number;
  /** A time of day as whoever reads the verdict has it on the wall: `12:01:03`. */
  timeOf(at: number): string;
}

export function createBootAdminRoutes({ record, machines, now, timeOf }: BootAdminDeps): Routes {
  return new Hono<AppEnv>().get("/api/v1/machines/:machine/boot", async (context) => {
    const word = context.req.param("machine");
    const asked = readMac(word);
    // A machine that never came as far as its discovery has a record, and no name.
    const mac = asked === undefined ? machines.find(word).mac : (machines.orders.primaryMac(asked) ?? asked);
    const boots = await record.boots(mac);
    if (boots.length === 0) {
      throw new AppError("not-found", `no boot of ${mac} was recorded`, {
        hint: "switch it on with network boot first in its firmware; labctl doctor checks this side",
      });
    }
    const answer: BootRecordAnswer = {
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
    return context.json(answer);
  });
}
