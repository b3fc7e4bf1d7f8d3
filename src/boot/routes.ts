import { z } from "@hono/zod-openapi";
import { createApi, type Gate, guardedRoute } from "../http/gate.ts";
import { json } from "../http/route-parts.ts";
import { AppError } from "../platform/errors.ts";
import { bootFactSchema } from "./boot-fact.ts";
import type { BootHistory } from "./history-service.ts";

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

/** How machines booted. */
export function createBootRecordRoutes(gate: Gate, history: BootHistory) {
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
        resource: (context) => history.resource(context.req.param("machine") ?? ""),
      },
    ),
    async (context) => {
      const answer = await history.of(context.req.valid("param").machine);
      if (answer.boots.length === 0) {
        throw new AppError("not-found", `no boot of ${answer.mac} was recorded`, {
          hint: "switch it on with network boot first in its firmware; labctl doctor checks this side",
        });
      }
      return context.json(answer, 200);
    },
  );
}

export type BootRecordRoutes = ReturnType<typeof createBootRecordRoutes>;
