import { expect, test } from "bun:test";
import { createEventBus } from "../platform/events.ts";
import { parseMac } from "../platform/mac.ts";
import { createMetrics } from "../platform/metrics.ts";
import type { MachineEvents } from "./events.ts";
import { measureInstalls } from "./install-metrics.ts";

const fact = { mac: parseMac("52:54:00:00:00:01"), installId: "i1", name: "n1" };

type Tell = <Name extends keyof MachineEvents>(name: Name, fact: MachineEvents[Name]) => Promise<void>;

/** What is rendered after `story`, each of whose events is taken before the next one comes. */
async function measure(story: (tell: Tell) => Promise<void>) {
  const metrics = createMetrics();
  const bus = createEventBus<MachineEvents>((_, error) => {
    throw error;
  });
  measureInstalls(metrics, bus, () => [
    { state: { kind: "installing", since: 0, installId: "i1", heardAt: 0 } },
  ]);
  await story(async (name, told) => {
    bus.publish(name, told);
    await Bun.sleep(0);
  });
  return metrics.render().split("\n");
}

test("a stage lasts from its beginning to its end, or to the next one's beginning", async () => {
  const lines = await measure(async (tell) => {
    const stage = (name: string, outcome: "running" | "done" | "failed", at: number) =>
      tell("install.stage-reached", { ...fact, stage: name, outcome, at });
    await tell("install.started", { ...fact, at: 0 });
    await stage("boot", "running", 0);
    await stage("packages", "running", 10_000);
    await stage("packages", "running", 50_000);
    await stage("packages", "done", 90_000);
    await stage("bootloader", "running", 90_000);
    await tell("install.failed", { ...fact, at: 92_000, reason: "no room" });
  });
  expect(lines.filter((line) => line.startsWith("labctl_install_stage_seconds_sum"))).toEqual([
    'labctl_install_stage_seconds_sum{stage="boot",outcome="done"} 10',
    'labctl_install_stage_seconds_sum{stage="packages",outcome="done"} 80',
    'labctl_install_stage_seconds_sum{stage="bootloader",outcome="failed"} 2',
  ]);
  expect(lines).toContain('labctl_installs_total{state="failed"} 1');
  expect(lines).toContain('labctl_machines{state="installing"} 1');
});

test("a stage an installer made up is counted as other", async () => {
  const lines = await measure(async (tell) => {
    await tell("install.stage-reached", { ...fact, stage: 'x"} evil', outcome: "running", at: 0 });
    await tell("install.finished", { ...fact, at: 1000 });
  });
  expect(lines).toContain('labctl_install_stage_seconds_sum{stage="other",outcome="done"} 1');
  expect(lines.join("\n")).not.toContain("evil");
});
