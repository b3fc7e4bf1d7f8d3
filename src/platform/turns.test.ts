import { expect, test } from "bun:test";
import { createTurns } from "./turns.ts";

test("so many run at once, the others in the order they came, and one that fails hands its place on", async () => {
  const turns = createTurns(2);
  const begun: number[] = [];
  const works = [0, 1, 2, 3].map(() => Promise.withResolvers<string>());
  const results = works.map(({ promise }, n) =>
    turns.take(() => {
      begun.push(n);
      return promise;
    }),
  );
  expect(begun).toEqual([0, 1]);
  works[1]?.reject(new Error("no"));
  await expect(results[1] ?? Promise.resolve()).rejects.toThrow("no");
  expect(begun).toEqual([0, 1, 2]);
  for (const { resolve } of works) resolve("done");
  expect(await Promise.allSettled(results)).toHaveLength(4);
  expect(begun).toEqual([0, 1, 2, 3]);
  expect(await turns.take(async () => "again")).toBe("again");
});
