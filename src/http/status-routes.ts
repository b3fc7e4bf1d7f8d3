import { Hono } from "hono";
import { z } from "zod";
import { build } from "../platform/build.ts";
import type { AppEnv, Routes } from "./app.ts";

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
export function createStatusRoutes(status: () => Omit<Status, "version" | "commit">): Routes {
  return new Hono<AppEnv>().get("/api/v1/status", (context) =>
    context.json({ version: build.version, commit: build.commit, ...status() } satisfies Status),
  );
}
