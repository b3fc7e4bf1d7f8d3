import { expect, test } from "bun:test";
import { createOutbox } from "./outbox.ts";

test("an outbox gives back what was not taken, in order, and knows when to stop and go on", () => {
  const outbox = createOutbox<string>(10);
  expect(outbox.add("a", 4)).toEqual({ seq: 1, full: false });
  expect(outbox.add("b", 4)).toEqual({ seq: 2, full: false });
  expect(outbox.add("c", 4)).toEqual({ seq: 3, full: true });
  expect(outbox.after(1)).toEqual([
    { seq: 2, item: "b" },
    { seq: 3, item: "c" },
  ]);
  expect(outbox.taken(1)).toBe(true);
  expect(outbox.size).toBe(8);
  expect(outbox.taken(1)).toBe(false);
  expect(outbox.taken(99)).toBe(false);
  expect(outbox.after(0)).toEqual([]);
});
