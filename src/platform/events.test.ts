import { expect, test } from "bun:test";
import { createEventBus } from "./events.ts";

const settle = () => Bun.sleep(0);

test("a subscriber gets the facts of its event, in order, one at a time", async () => {
  const bus = createEventBus<{ counted: number; other: string }>(() => {});
  const seen: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  bus.subscribe("test", "counted", async (n) => {
    await settle();
    seen.push(n);
    if (n === 3) resolve();
  });
  for (const n of [1, 2, 3]) bus.publish("counted", n);
  bus.publish("other", "x");
  await promise;
  expect(seen).toEqual([1, 2, 3]);
});

test("a queue past its limit drops and counts, and never holds the publisher", async () => {
  const bus = createEventBus<{ counted: number }>(() => {});
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  bus.subscribe("slow", "counted", () => gate, { limit: 2 });
  for (let n = 0; n < 10; n++) bus.publish("counted", n);
  expect(bus.stats()[0]?.dropped).toBeGreaterThan(0);
  release();
  await settle();
});

test("a handler that throws is reported by name and the next fact still arrives", async () => {
  const errors: string[] = [];
  const bus = createEventBus<{ counted: number }>((name) => errors.push(name));
  const seen: number[] = [];
  bus.subscribe("faulty", "counted", (n) => {
    if (n === 1) throw new Error("no");
    seen.push(n);
  });
  bus.publish("counted", 1);
  bus.publish("counted", 2);
  await settle();
  expect(errors).toEqual(["faulty"]);
  expect(seen).toEqual([2]);
});
