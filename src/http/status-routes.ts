import { z } from "@hono/zod-openapi";
import { build } from "../platform/build.ts";
import { createApi, type Gate, guardedRoute } from "./gate.ts";
import { json } from "./route-parts.ts";

export const statusSchema = z.object({
  version: z.string(),
  commit: z.string(),
  pid: z.number(),
  /** Milliseconds since the epoch. */
  startedAt: z.number(),
  listeners: z.array(z.object({ service: z.string(), address: z.string() })),
});
export type Status = z.output<typeof statusSchema>;

/** Who runs here and where it listens; asked by `labctl init … status` and `labctl doctor`. */
export function createStatusRoutes(gate: Gate, status: () => Omit<Status, "version" | "commit">) {
  return createApi().openapi(
    guardedRoute(
      gate,
      "status:read",
      {
        method: "get",
        path: "/api/v1/status",
        summary: "Version, process, listeners",
        responses: json(statusSchema, "The status"),
      },
      { quiet: true },
    ),
    (context) => context.json({ version: build.version, commit: build.commit, ...status() }, 200),
  );
}

export type StatusRoutes = ReturnType<typeof createStatusRoutes>;
