import { afterEach, beforeEach, expect, test } from "bun:test";
import type { MachineFact } from "../machines/service.ts";
import { createManualClock } from "../platform/clock.ts";
import { silentLogger } from "../platform/logger.ts";
import { parseMac } from "../platform/mac.ts";
import { openStore, type Store } from "../store/database.ts";
import { openOutbox, partsOf } from "./outbox.ts";

const mac = parseMac("52:54:00:00:00:01");
const clock = createManualClock(1000);
let store: Store;
let ids = 0;
beforeEach(() => {
  store = openStore(":memory:");
});
afterEach(() => store.close());

const open = () =>
  openOutbox({ store, clock, logger: silentLogger, newId: () => `id-${++ids}`, maxLines: 1000 });
const lines = (event: number, count: number): MachineFact => ({
  kind: "lines",
  mac,
  installId: "i1",
  event,
  at: 1,
  lines: Array.from({ length: count }, (_, index) => [event + index, `line ${event + index}`]),
});
const machine = (state: "discovered" | "installing", stage = "boot"): MachineFact => ({
  kind: "machine",
  mac,
  record: {
    machine: {
      mac,
      nics: [mac],
      firstSeenAt: 1,
      seenAt: 1,
      state:
        state === "discovered"
          ? { kind: state, since: 1 }
          : { kind: state, since: 1, installId: "i1", stage, heardAt: 1 },
    },
  },
});

test("facts come out in their order, until they are taken, over a restart", async () => {
  const outbox = open();
  await outbox.begin(() => [machine("discovered")]);
  await store.transaction((tx) => outbox.note(tx, lines(1, 2)));
  const all = outbox.after(0);
  expect(all.map(({ fact }) => fact.kind)).toEqual(["machine", "lines"]);
  await outbox.taken(all[0]?.seq ?? 0);
  const again = open();
  expect(again.id).toBe(outbox.id);
  expect(again.after(again.acknowledged)).toEqual(all.slice(1));
});

test("a transaction that fails notes nothing", async () => {
  const outbox = open();
  await outbox.begin(() => []);
  const failing = store.transaction((tx) => {
    outbox.note(tx, machine("discovered"));
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(outbox.after(0)).toEqual([]);
});

test("a machine that is discovered over and over waits once; each stage it passed waits", async () => {
  const outbox = open();
  await outbox.begin(() => []);
  for (let round = 0; round < 5; round++)
    await store.transaction((tx) => outbox.note(tx, machine("discovered")));
  for (const stage of ["boot", "network", "packages"])
    await store.transaction((tx) => outbox.note(tx, machine("installing", stage)));
  expect(outbox.waiting().facts).toBe(4);
});

test("of too many log lines the oldest go, and how many is told; states never go", async () => {
  const outbox = open();
  await outbox.begin(() => []);
  for (let round = 0; round < 30; round++) {
    await store.transaction((tx) => {
      outbox.note(tx, machine("installing", `stage ${round}`));
      outbox.note(tx, lines(round * 100 + 1, 100));
    });
  }
  const kept: number[] = [];
  let lost = 0;
  let states = 0;
  let from = 0;
  for (;;) {
    const next = outbox.after(from);
    if (next.length === 0) break;
    for (const { seq, fact } of next) {
      from = seq;
      if (fact.kind === "lines") kept.push(...fact.lines.map(([number]) => number));
      if (fact.kind === "lost") lost += fact.lines;
      if (fact.kind === "machine") states++;
    }
  }
  expect(states).toBe(30);
  expect(kept.length).toBeLessThanOrEqual(1000);
  expect(kept.length).toBeGreaterThan(800);
  expect(kept.length + lost).toBe(3000);
  expect(kept).toEqual(Array.from({ length: kept.length }, (_, index) => lost + index + 1));
});

test("begun anew it is another outbox, and holds what is now alone", async () => {
  const outbox = open();
  await outbox.begin(() => []);
  await store.transaction((tx) => outbox.note(tx, lines(1, 5)));
  const before = outbox.id;
  await outbox.begin(() => [machine("discovered")]);
  expect(outbox.id).not.toBe(before);
  expect(outbox.after(0).map(({ fact }) => fact.kind)).toEqual(["machine"]);
});

test("a batch larger than a message is told in parts that keep its numbers", () => {
  const fact: MachineFact = {
    kind: "lines",
    mac,
    installId: "i1",
    event: 11,
    at: 1,
    lines: Array.from({ length: 40 }, (_, index) => [index, "x".repeat(4000)]),
  };
  const parts = partsOf(fact);
  expect(parts.length).toBeGreaterThan(1);
  let event = 11;
  for (const part of parts) {
    if (part.kind !== "lines") throw new Error("it is lines");
    expect(part.event).toBe(event);
    event += part.lines.length;
  }
  expect(event).toBe(51);
});
