import { expect, test } from "bun:test";
import { createLogRing } from "./log-ring.ts";

test("a reader goes on after the last record it has, over a restart too", () => {
  let now = 1000;
  const before = createLogRing(() => now);
  before.write("info", "one", {});
  before.write("info", "two", { mac: "x", none: undefined });
  const [one, two] = before.after(0, 10);
  expect(before.after(one?.id ?? 0, 10)).toEqual([
    { id: 1_000_001, at: 1000, level: "info", message: "two", fields: { mac: "x" } },
  ]);
  now = 1001;
  const after = createLogRing(() => now);
  after.write("warn", "three", {});
  expect(after.after(two?.id ?? 0, 10).map(({ message }) => message)).toEqual(["three"]);
});

test("it is bounded in number and size", () => {
  const ring = createLogRing(() => 1, 100);
  for (let index = 0; index < 1000; index++) ring.write("info", `${index}`.padEnd(5000, "x"), {});
  const kept = ring.after(0, 10_000);
  expect(kept).toHaveLength(100);
  expect(kept.at(-1)?.message).toHaveLength(2000);
  expect(kept.at(-1)?.message).toStartWith("999");
});
