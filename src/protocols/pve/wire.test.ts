import { expect, test } from "bun:test";
import { z } from "zod";
import { flag, integer, maybe, text, words } from "./wire.ts";

test("numbers come as numbers or as text", () => {
  expect(integer.parse("100")).toBe(100);
  expect(integer.parse(128)).toBe(128);
  expect(integer.safeParse("two").success).toBe(false);
  expect(integer.safeParse("1.5").success).toBe(false);
});

test("booleans come as 0 and 1, as text, or as JSON's own", () => {
  for (const yes of [1, "1", true, "yes"]) expect(flag.parse(yes)).toBe(true);
  for (const no of [0, "0", false, ""]) expect(flag.parse(no)).toBe(false);
});

test("a field that is absent, null or of a new shape reads as not there", () => {
  const shape = z.looseObject({ a: maybe(integer), b: maybe(text) });
  expect(shape.parse({ a: { nested: 1 }, b: null, c: "new" })).toEqual({
    a: undefined,
    b: undefined,
    c: "new",
  });
  expect(shape.parse({})).toMatchObject({});
});

test("lists of words come with any of the separators", () => {
  expect(words.parse("a;b,c d")).toEqual(["a", "b", "c", "d"]);
  expect(words.parse("")).toEqual([]);
});
