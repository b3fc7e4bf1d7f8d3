import { readdirSync } from "node:fs";
import { build } from "./build.ts";
import type { Metrics } from "./metrics.ts";

/** What Prometheus expects to know of any process, under the names its own libraries use. */
export function measureProcess(metrics: Metrics, startedAt: number): void {
  const one = (value: number) => [{ labels: {}, value }];
  metrics.reading("gauge", "labctl_build_info", "Always 1; says which version runs.", () => [
    { labels: { version: build.version, commit: build.commit }, value: 1 },
  ]);
  metrics.reading("gauge", "process_start_time_seconds", "When it started, since the epoch.", () =>
    one(startedAt / 1000),
  );
  metrics.reading("counter", "process_cpu_seconds_total", "Processor time, user and system.", () => {
    const { user, system } = process.cpuUsage();
    return one((user + system) / 1e6);
  });
  metrics.reading("gauge", "process_resident_memory_bytes", "Memory that is resident.", () =>
    one(process.memoryUsage.rss()),
  );
  metrics.reading("gauge", "process_open_fds", "Open file descriptors.", () =>
    one(readdirSync("/proc/self/fd").length),
  );
}
