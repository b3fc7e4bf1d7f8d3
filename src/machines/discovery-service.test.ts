import { afterEach, beforeEach, expect, test } from "bun:test";
import { createManualClock } from "../platform/clock.ts";
import { silentLogger } from "../platform/logger.ts";
import { parseMac } from "../platform/mac.ts";
import { openStore, type Store } from "../store/database.ts";
import { createDiscovery } from "./discovery-service.ts";
import { inventorySchema } from "./inventory.ts";
import { createRegistry } from "./registry.ts";
import { loadMachines, readHistory, saveState } from "./repository.ts";

let store: Store;
beforeEach(() => {
  store = openStore(":memory:");
});
afterEach(() => store.close());

function room(maxMachines: number) {
  const clock = createManualClock(1000);
  const registry = createRegistry([]);
  const discovery = createDiscovery({
    store,
    clock,
    logger: silentLogger,
    registry,
    bus: { publish: () => {} },
    journal: undefined,
    maxMachines,
  });
  const discover = async (last: string, changes: Record<string, unknown> = {}) => {
    clock.advance(60_000);
    return discovery.report(inventorySchema.parse({ version: 1, mac: `52:54:00:00:00:${last}`, ...changes }));
  };
  return { registry, discover };
}

test("a network that invents machines pushes out the longest unseen, never one with an install", async () => {
  const { registry, discover } = room(3);
  const installed = (await discover("01")).machine;
  const state = { kind: "installed", since: 1, installId: "i" } as const;
  await store.transaction((tx) => saveState(tx, installed.mac, state, undefined));
  for (const last of ["02", "03", "02", "04", "05"]) await discover(last);
  const kept = ["52:54:00:00:00:01", "52:54:00:00:00:04", "52:54:00:00:00:05"];
  expect([...registry.all()].map(({ mac }) => String(mac)).sort()).toEqual(kept);
  expect(
    loadMachines(store.read)
      .map(({ mac }) => String(mac))
      .sort(),
  ).toEqual(kept);
});

test("two first reports of one machine at once make one record", async () => {
  const { registry, discover } = room(10);
  const results = await Promise.all([discover("01"), discover("01")]);
  expect(results.map(({ first }) => first)).toEqual([true, false]);
  expect(registry.size).toBe(1);
});

test("the history of one machine is bounded", async () => {
  const { discover } = room(10);
  for (let round = 0; round < 250; round++) {
    await discover("01", { system: { product: round % 2 === 0 ? "A" : "B" } });
  }
  const history = readHistory(store.read, parseMac("52:54:00:00:00:01"));
  expect(history).toHaveLength(200);
  expect(history[0]?.what).toBe("product changed from A to B");
});
