import { z } from "@hono/zod-openapi";
import { followStream, formatEvent, readOn } from "../http/follow-stream.ts";
import { createApi, type Gate, guardedRoute } from "../http/gate.ts";
import { pageOf, pageOfRows } from "../http/page.ts";
import { json, raw } from "../http/route-parts.ts";
import type { Clock } from "../platform/clock.ts";
import { auditFilter, auditQuery, auditRecord } from "./api.ts";
import { matchesAudit } from "./audit-chain.ts";
import type { AuditLog } from "./audit-log.ts";

const atOnce = 200;

/** What was done, and whether the record of it is whole. */
export function createAuditRoutes(gate: Gate, audit: AuditLog, clock: Clock) {
  return createApi()
    .openapi(
      guardedRoute(gate, "audit:read", {
        method: "get",
        path: "/api/v1/audit/follow",
        summary: "Records as they come; Last-Event-ID goes on where it was",
        request: { query: auditFilter.extend({ after: z.coerce.number().optional() }) },
        responses: raw("text/event-stream", "Server-sent events: `record`"),
      }),
      async (context) => {
        const { after, ...filter } = context.req.valid("query");
        context.env.untimed();
        const from = readOn(context.req.header("last-event-id"), after);
        const stream = followStream(
          from,
          {
            async read(seq) {
              const records = await audit.after(seq, atOnce);
              const last = records.at(-1);
              if (last === undefined) return undefined;
              const text = records
                .filter((record) => matchesAudit(record, filter))
                .map((record) => formatEvent("record", record, record.seq));
              return { text: text.join(""), id: last.seq };
            },
            changed: audit.onAppended,
          },
          clock,
        );
        const headers = { "content-type": "text/event-stream", "cache-control": "no-store" };
        // checked: a stream is a body like any other; the schema can only say that it is text
        return context.body(stream, 200, headers) as never;
      },
    )
    .openapi(
      guardedRoute(gate, "audit:read", {
        method: "get",
        path: "/api/v1/audit",
        summary: "What was done, newest first",
        request: { query: auditQuery },
        responses: json(pageOf(auditRecord), "Records"),
      }),
      async (context) => {
        const { cursor, limit, ...filter } = context.req.valid("query");
        const records = await audit.list({
          ...filter,
          limit: limit + 1,
          ...(cursor !== undefined && { before: Number(cursor) }),
        });
        return context.json(
          pageOfRows(records, ({ seq }) => String(seq), limit),
          200,
        );
      },
    )
    .openapi(
      guardedRoute(gate, "audit:read", {
        method: "get",
        path: "/api/v1/audit/verify",
        summary: "Whether the chain of records is whole",
        responses: json(
          z.object({
            whole: z.boolean(),
            records: z.number().optional(),
            seq: z.number().optional(),
            because: z.string().optional(),
          }),
          "The verdict",
        ),
      }),
      async (context) => context.json(await audit.verify(), 200),
    )
    .openapi(
      guardedRoute(gate, "audit:read", {
        method: "get",
        path: "/api/v1/audit/export",
        summary: "Every record, oldest first, a JSON object a line",
        responses: raw("application/x-ndjson", "JSON lines"),
      }),
      (context) => {
        context.env.untimed();
        const records = audit.all();
        const lines = new ReadableStream<Uint8Array>({
          async pull(controller) {
            const { value, done } = await records.next();
            if (done) controller.close();
            else controller.enqueue(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
          },
          cancel: async () => void (await records.return(undefined)),
        });
        // checked: a stream is a body like any other; the schema can only say that its lines are text
        return context.body(lines, 200, { "content-type": "application/x-ndjson" }) as never;
      },
    );
}

export type AuditRoutes = ReturnType<typeof createAuditRoutes>;
