import { z } from "@hono/zod-openapi";
import type { Clock } from "../platform/clock.ts";
import type { LogRing } from "../platform/log-ring.ts";
import { followStream, formatEvent, readOn } from "./follow-stream.ts";
import { createApi, type Gate, guardedRoute } from "./gate.ts";
import { logRecord, logRecordList } from "./log-record.ts";
import { json, raw } from "./route-parts.ts";

const atOnce = 200;
/** More than is kept. */
const all = 1_000_000;

/** The log of this very process. */
export function createLogRoutes(gate: Gate, ring: LogRing, clock: Clock) {
  return createApi()
    .openapi(
      guardedRoute(gate, "status:logs", {
        method: "get",
        path: "/api/v1/log",
        summary: "The process's own last log records, oldest first",
        request: {
          query: z.object({
            limit: z.coerce.number().int().min(1).max(10_000).default(100),
            since: z.coerce.number().optional(),
          }),
        },
        responses: json(logRecordList, "The records"),
      }),
      (context) => {
        const { limit, since = 0 } = context.req.valid("query");
        const records = ring.after(0, all).filter(({ at }) => at >= since);
        return context.json(logRecordList.parse({ items: records.slice(-limit) }), 200);
      },
    )
    .openapi(
      guardedRoute(gate, "status:logs", {
        method: "get",
        path: "/api/v1/log/follow",
        summary: "The process's own log records as they come; Last-Event-ID goes on where it was",
        request: { query: z.object({ after: z.coerce.number().optional() }) },
        responses: raw("text/event-stream", "Server-sent events: `record`"),
      }),
      (context) => {
        context.env.untimed();
        const from = readOn(context.req.header("last-event-id"), context.req.valid("query").after);
        const stream = followStream(
          from,
          {
            async read(id) {
              const records = ring.after(id, atOnce);
              const last = records.at(-1);
              if (last === undefined) return undefined;
              const text = records.map((record) => formatEvent("record", logRecord.parse(record), record.id));
              return { text: text.join(""), id: last.id };
            },
            changed: ring.onRecord,
          },
          clock,
        );
        const headers = { "content-type": "text/event-stream", "cache-control": "no-store" };
        // checked: a stream is a body like any other; the schema can only say that it is text
        return context.body(stream, 200, headers) as never;
      },
    );
}

export type LogRoutes = ReturnType<typeof createLogRoutes>;
