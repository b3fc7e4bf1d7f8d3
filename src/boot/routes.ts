import { z } from "@hono/zod-openapi";
import { createApi, type Gate, guardedRoute } from "../http/gate.ts";
import { json } from "../http/route-parts.ts";
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

export interface BootRecordDeps {
  record: Pick<BootRecord, "boots">;
  machines: Pick<Machines, "find" | "resource"> & { orders: Pick<BootOrders, "primaryMac"> };
  now(): number;
  /** A time of day as whoever reads the verdict has it on the wall: `12:01:03`. */
  timeOf(at: number): string;
}

/** How machines booted. */
export function createBootRecordRoutes(gate: Gate, { record, machines, now, timeOf }: BootRecordDeps) {
  return createApi().openapi(
    guardedRoute(
      gate,
      "machines:read",
      {
        method: "get",
        path: "/api/v1/machines/{machine}/boot",
        summary: "Its last boots as timelines, each with a verdict",
        request: { params: z.object({ machine: z.string().max(253) }) },
        responses: json(bootRecordSchema, "The boots, newest first"),
      },
      {
        resource: (context) => machines.resource(context.req.param("machine") ?? ""),
      },
    ),
    async (context) => {
      const word = context.req.valid("param").machine;
      const asked = readMac(word);
      // A machine that never came as far as its discovery has a record, and no name.
      const mac =
        asked === undefined ? machines.find(word).mac : (machines.orders.primaryMac(asked) ?? asked);
      const boots = await record.boots(mac);
      if (boots.length === 0) {
        throw new AppError("not-found", `no boot of ${mac} was recorded`, {
          hint: "switch it on with network boot first in its firmware; labctl doctor checks this side",
        });
      }
      const answer = {
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
      return context.json(answer, 200);
    },
  );
}

export type BootRecordRoutes = ReturnType<typeof createBootRecordRoutes>;
