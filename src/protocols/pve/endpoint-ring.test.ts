import { expect, test } from "bun:test";
import { createRing, markDown, markUp, restMs, tryOrder } from "./endpoint-ring.ts";

test("the preferred endpoint comes first and one that is down last, until it has rested", () => {
  const ring = markDown(createRing(3), 0, 1_000);
  expect(tryOrder(ring, 1_000)).toEqual([1, 2, 0]);
  expect(tryOrder(ring, 1_000 + restMs)).toEqual([1, 2, 0]);
  expect(tryOrder(markUp(ring, 0), 1_000)).toEqual([0, 1, 2]);
  const all = [0, 1, 2].reduce((found, index) => markDown(found, index, 0), createRing(3));
  expect(tryOrder(all, 1).length).toBe(3);
});
