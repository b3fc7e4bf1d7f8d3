import { expect, test } from "bun:test";
import { createRandom } from "./random.ts";

test("the same seed gives the same faults, another seed others", () => {
  const take = (seed: number) => {
    const random = createRandom(seed);
    return Array.from({ length: 50 }, () => random());
  };
  expect(take(7)).toEqual(take(7));
  expect(take(7)).not.toEqual(take(8));
});

test("about the asked share falls under the limit", () => {
  const random = createRandom(3);
  const lost = Array.from({ length: 10_000 }, () => random()).filter((value) => value < 0.02).length;
  expect(lost).toBeGreaterThan(120);
  expect(lost).toBeLessThan(280);
});
