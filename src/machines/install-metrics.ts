import type { EventBus } from "../platform/events.ts";
import type { Metrics } from "../platform/metrics.ts";
import type { MachineEvents } from "./events.ts";
import type { MachineState } from "./model.ts";
import { stagesOf } from "./stage.ts";

const states: readonly MachineState["kind"][] = [
  "discovered",
  "queued",
  "installing",
  "installed",
  "failed",
  "stalled",
];
/** Seconds: from what is over at once to a slow mirror. */
const buckets = [1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200];
/** Installs whose stages are timed at once; more than these are counted, not timed. */
const timed = 10_000;

/** Counts machines and installs from what the room tells; returns how to stop. */
export function measureInstalls(
  metrics: Metrics,
  bus: Pick<EventBus<MachineEvents>, "subscribe">,
  machines: () => Iterable<{ state: MachineState }>,
): () => void {
  metrics.reading("gauge", "labctl_machines", "Machines known, by state.", () => {
    const counts = new Map<string, number>(states.map((state) => [state, 0]));
    for (const { state } of machines()) counts.set(state.kind, (counts.get(state.kind) ?? 0) + 1);
    return [...counts].map(([state, value]) => ({ labels: { state }, value }));
  });
  const discoveries = metrics.counter("labctl_discoveries_total", "Discovery reports taken.", ["first"]);
  const installs = metrics.counter("labctl_installs_total", "Installs that reached a state.", ["state"]);
  const lines = metrics.counter("labctl_install_log_lines_total", "Log lines of installers kept.");
  const durations = metrics.histogram(
    "labctl_install_stage_seconds",
    "How long stages of installs took.",
    buckets,
    ["stage", "outcome"],
  );
  const known = new Set(Object.values(stagesOf).flat());
  const running = new Map<string, { stage: string; since: number }>();

  function end(installId: string, outcome: string, at: number): void {
    const last = running.get(installId);
    if (last === undefined) return;
    running.delete(installId);
    const stage = known.has(last.stage) ? last.stage : "other";
    durations.observe({ stage, outcome }, Math.max(0, at - last.since) / 1000);
  }

  const name = "metrics";
  const ends = [
    bus.subscribe(name, "machine.discovered", ({ first }) => discoveries.add({ first: String(first) })),
    bus.subscribe(name, "install.queued", () => installs.add({ state: "queued" })),
    bus.subscribe(name, "install.cancelled", () => installs.add({ state: "cancelled" })),
    bus.subscribe(name, "install.started", () => installs.add({ state: "started" })),
    bus.subscribe(name, "install.log-appended", (fact) => lines.add({}, fact.lines)),
    bus.subscribe(name, "install.stage-reached", ({ installId, stage, outcome, at }) => {
      const last = running.get(installId);
      // A stage that begins ends the one before it; `running` is repeated as it goes on.
      if (last !== undefined && last.stage !== stage) end(installId, "done", at);
      if (outcome !== "running") end(installId, outcome, at);
      else if (!running.has(installId) && running.size < timed) running.set(installId, { stage, since: at });
    }),
    bus.subscribe(name, "install.finished", ({ installId, at }) => {
      installs.add({ state: "finished" });
      end(installId, "done", at);
    }),
    bus.subscribe(name, "install.failed", ({ installId, at }) => {
      installs.add({ state: "failed" });
      end(installId, "failed", at);
    }),
    bus.subscribe(name, "install.stalled", ({ installId, at }) => {
      installs.add({ state: "stalled" });
      end(installId, "failed", at);
    }),
  ];
  return () => {
    for (const unsubscribe of ends) unsubscribe();
  };
}
