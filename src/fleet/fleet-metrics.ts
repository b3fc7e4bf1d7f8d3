import type { Metrics } from "../platform/metrics.ts";
import type { Hub } from "./hub.ts";

/** Agents and what runs on their hosts, as the hub counts it. */
export function measureFleet(metrics: Metrics, hub: Pick<Hub, "counts">, enrolled: () => number): void {
  const one = (value: number) => [{ labels: {}, value }];
  metrics.reading("gauge", "labctl_servers", "Hosts that enrolled.", () => one(enrolled()));
  metrics.reading("gauge", "labctl_agents_connected", "Agents that are connected.", () =>
    one(hub.counts().agents),
  );
  metrics.reading("gauge", "labctl_commands_active", "Commands that run on hosts.", () =>
    one(hub.counts().running),
  );
  metrics.reading("counter", "labctl_commands_total", "Commands started on hosts, by kind.", () =>
    Object.entries(hub.counts().started).map(([kind, value]) => ({ labels: { kind }, value })),
  );
}
