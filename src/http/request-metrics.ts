import type { MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import type { Clock } from "../platform/clock.ts";
import type { Metrics } from "../platform/metrics.ts";

/** Seconds: from an answer out of memory to one that waited for a slow disk. */
const buckets = [0.005, 0.02, 0.1, 0.5, 2, 10];
const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);

/** Counts and times requests by their route's template, for the application of one listener. */
export type CountRequests = (listener: string) => MiddlewareHandler;

export function createRequestMetrics(metrics: Metrics, clock: Clock): CountRequests {
  const requests = metrics.counter("labctl_http_requests_total", "HTTP requests, by route and status.", [
    "listener",
    "method",
    "route",
    "status",
  ]);
  const durations = metrics.histogram(
    "labctl_http_request_seconds",
    "Seconds until an answer began, by route.",
    buckets,
    ["listener", "method", "route"],
  );
  return (listener) => async (context, next) => {
    const begun = clock.monotonic();
    await next();
    const method = methods.has(context.req.method) ? context.req.method : "other";
    // What matched last is the route itself; middleware for whole trees matches everything.
    const path = matchedRoutes(context).at(-1)?.path ?? "";
    const route = /^(\/api)?\/?\*$|^$/.test(path) ? "none" : path;
    requests.add({ listener, method, route, status: String(context.res.status) });
    durations.observe({ listener, method, route }, (clock.monotonic() - begun) / 1000);
  };
}
