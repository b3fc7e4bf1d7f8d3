import { z } from "@hono/zod-openapi";
import { createApi, type Gate, guardedRoute } from "../http/gate.ts";
import { pageOf, pageOfRows } from "../http/page.ts";
import { json, raw } from "../http/route-parts.ts";
import { auditQuery, auditRecord } from "./api.ts";
import type { AuditLog } from "./audit-log.ts";

/** What was done, and whether the record of it is whole. */
export function createAuditRoutes(gate: Gate, audit: AuditLog) {
  return createApi()
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
