import { join } from "node:path";
import { createApp } from "../http/app.ts";
import { createHealth, type Health } from "../http/health.ts";
import { listenTcp } from "../http/listener.server.ts";
import { createMetricsRoutes } from "../http/operations-routes.ts";
import { type CountRequests, createRequestMetrics } from "../http/request-metrics.ts";
import type { Clock } from "../platform/clock.ts";
import type { DaemonConfig } from "../platform/config.ts";
import type { SubscriberStats } from "../platform/events.ts";
import type { Logger } from "../platform/logger.ts";
import { createMetrics, type Metrics } from "../platform/metrics.ts";
import { measureProcess } from "../platform/process-metrics.client.ts";
import { openStore, type Store } from "../store/database.ts";
import { databaseWrite, dataDirectory, subscribers } from "./health-checks.ts";
import type { Running } from "./running.ts";

/** What one process measures of itself and knows of its health, with the database it does so for. */
export interface Telemetry {
  readonly store: Store;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly countRequests: CountRequests;
  /** Watches a bus's subscribers. */
  watch(stats: () => readonly SubscriberStats[]): void;
}

const commitBuckets = [0.001, 0.005, 0.02, 0.1, 0.5, 2];

/** Opens the database and everything that is measured of it. */
export function createTelemetry(config: DaemonConfig, clock: Clock, logger: Logger): Telemetry {
  const metrics = createMetrics();
  const health = createHealth(clock);
  const commits = metrics.histogram(
    "labctl_database_commit_seconds",
    "Seconds a commit took.",
    commitBuckets,
  );
  const transactions = metrics.counter(
    "labctl_database_transactions_total",
    "Transactions; several share a commit.",
  );
  const store = openStore(join(config.dataDir, "labctl.sqlite"), {
    committed(shared, took) {
      commits.observe({}, took / 1000);
      transactions.add({}, shared);
    },
    full: ({ message, hint }) =>
      logger.error(message, { hint, serving: "boots go on; what has to be kept is refused" }),
    room: () => logger.info("there is room again: writing goes on"),
  });
  const one = (value: number) => [{ labels: {}, value }];
  metrics.reading("gauge", "labctl_database_waiting", "Transactions that wait for their commit.", () =>
    one(store.waiting()),
  );
  metrics.reading("gauge", "labctl_database_size_bytes", "The database's size on disk.", () =>
    one(store.size()),
  );
  measureProcess(metrics, clock.now());
  health.add("database", databaseWrite(store, clock));
  health.add("data directory", () => dataDirectory(config.dataDir));
  return {
    store,
    metrics,
    health,
    countRequests: createRequestMetrics(metrics, clock),
    watch(stats) {
      health.add("subscribers", subscribers(stats));
      const sums = (count: (each: SubscriberStats) => number) => () => {
        const byName = new Map<string, number>();
        for (const each of stats()) byName.set(each.name, (byName.get(each.name) ?? 0) + count(each));
        return [...byName].map(([subscriber, value]) => ({ labels: { subscriber }, value }));
      };
      metrics.reading(
        "counter",
        "labctl_events_dropped_total",
        "Events that a full queue lost.",
        sums((each) => each.dropped),
      );
      metrics.reading(
        "counter",
        "labctl_events_handled_total",
        "Events handled.",
        sums((each) => each.handled),
      );
      metrics.reading(
        "gauge",
        "labctl_events_queued",
        "Events that wait for their subscriber.",
        sums((each) => each.queued),
      );
    },
  };
}

/** Where the configuration wants it: metrics for whoever reaches that address. */
export function listenForMetrics(config: DaemonConfig, metrics: Metrics, logger: Logger): Running {
  const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(config.metrics.listen ?? "") ?? [];
  if (host === undefined) return { stop: async () => {} };
  return listenTcp(createApp([createMetricsRoutes(metrics)], logger), host, Number(port), logger);
}
