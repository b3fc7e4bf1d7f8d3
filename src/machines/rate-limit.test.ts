import { expect, test } from "bun:test";
import { createRateLimit } from "./rate-limit.ts";

test("a burst is taken, then no more than the rate gives back", () => {
  const limit = createRateLimit({ burst: 3, perSecond: 1 });
  const at = (now: number) => limit.take("a", 1, now);
  expect([at(0), at(0), at(0), at(0)]).toEqual([true, true, true, false]);
  expect([at(999), at(1000), at(1000)]).toEqual([false, true, false]);
  expect([at(60_000), at(60_000), at(60_000), at(60_000)]).toEqual([true, true, true, false]);
});

test("what costs too much takes nothing", () => {
  const limit = createRateLimit({ burst: 10, perSecond: 1 });
  expect(limit.take("a", 11, 0)).toBe(false);
  expect(limit.take("a", 10, 0)).toBe(true);
});

test("each key has its own, and a clock set back gives nothing", () => {
  const limit = createRateLimit({ burst: 1, perSecond: 1 });
  expect(limit.take("a", 1, 5000)).toBe(true);
  expect(limit.take("b", 1, 5000)).toBe(true);
  expect(limit.take("a", 1, 0)).toBe(false);
});

test("keys beyond the bound push out the one longest unused", () => {
  const limit = createRateLimit({ burst: 1, perSecond: 0 }, 2);
  for (const key of ["a", "b", "a", "c"]) limit.take(key, 1, 0);
  // `a` was used after `b`: it is still known, and empty; `b` starts anew.
  expect(limit.take("a", 1, 0)).toBe(false);
  expect(limit.take("b", 1, 0)).toBe(true);
});
