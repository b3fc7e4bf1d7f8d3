import { z } from "@hono/zod-openapi";
import { Hono } from "hono";
import { type Metrics, metricsContentType } from "../platform/metrics.ts";
import type { AppEnv, Routes } from "./app.ts";
import { createApi, type Gate, guardedRoute, openRoute } from "./gate.ts";
import { findingSchema, type Health, healthDetail, healthSchema } from "./health.ts";

export interface Operations {
  health: Health;
  metrics: Metrics;
}

const json = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  200: { description, content: { "application/json": { schema } } },
});
const text = (description: string) => ({
  200: { description, content: { "text/plain": { schema: z.string() } } },
});
const live = z.object({ status: z.literal("ok") });
const ready = z.object({ status: healthSchema.shape.status });
const notReady = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.literal("unavailable"),
  failing: z.array(findingSchema),
});

/** Health and metrics for those who operate the service; what tells of its inside needs a permission. */
export function createOperationsRoutes(operations: Operations, gate: Gate) {
  const { health, metrics } = operations;
  const because = "says whether the service works, nothing of what it holds";
  return createApi()
    .openapi(
      openRoute(because, {
        method: "get",
        path: "/healthz",
        summary: "The process answers",
        responses: text("ok"),
      }),
      (context) => context.text("ok\n", 200),
    )
    .openapi(
      openRoute(because, {
        method: "get",
        path: "/health/live",
        summary: "The process answers: for a liveness probe",
        responses: json(live, "It does"),
      }),
      (context) => context.json({ status: "ok" as const }, 200),
    )
    .openapi(
      openRoute(because, {
        method: "get",
        path: "/health/ready",
        summary: "Whether it does its work: for a readiness probe",
        responses: {
          ...json(ready, "It does"),
          503: {
            description: "It does not: which checks fail",
            content: { "application/problem+json": { schema: notReady } },
          },
        },
      }),
      // checked: the answer is one of the two the route describes
      async () => (await readiness(health)) as never,
    )
    .openapi(
      openRoute(because, {
        method: "get",
        path: "/health",
        summary: "How it is, in a word",
        responses: json(healthSchema, "ok, degraded or failing"),
      }),
      async (context) => {
        const { status, at } = await health.examine();
        return context.json({ status, at }, 200);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "status:read",
        {
          method: "get",
          path: "/health/detailed",
          summary: "Every check with its finding",
          responses: json(healthDetail, "The findings"),
        },
        { quiet: true },
      ),
      async (context) => context.json(await health.examine(), 200),
    )
    .openapi(
      guardedRoute(
        gate,
        "metrics:read",
        {
          method: "get",
          path: "/metrics",
          summary: "What is measured, in the Prometheus text format 0.0.4",
          responses: text("Metrics"),
        },
        { quiet: true },
      ),
      // checked: text, under the content type that Prometheus asks for
      () => exposition(metrics) as never,
    );
}

export type OperationsRoutes = ReturnType<typeof createOperationsRoutes>;

/** The metrics alone, for a Prometheus inside the lab. */
export const createMetricsRoutes = (metrics: Metrics): Routes =>
  new Hono<AppEnv>().get("/metrics", () => exposition(metrics));

/** That the listener answers, and no more. */
export const createAliveRoute = (): Routes =>
  new Hono<AppEnv>().get("/healthz", (context) => context.text("ok\n"));

const exposition = (metrics: Metrics) =>
  new Response(metrics.render(), { headers: { "content-type": metricsContentType } });

async function readiness(health: Health): Promise<Response> {
  const { status, findings } = await health.examine();
  if (status !== "failing") return Response.json({ status });
  const failing = findings.filter(({ result }) => result === "fail");
  return Response.json(
    {
      type: "about:blank",
      title: "unavailable",
      status: 503,
      detail: failing.map(({ check, detail }) => `${check}: ${detail}`).join("; "),
      code: "unavailable",
      failing,
    } satisfies z.output<typeof notReady>,
    { status: 503, headers: { "content-type": "application/problem+json", "retry-after": "5" } },
  );
}
