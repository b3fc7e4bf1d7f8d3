import { expect, test } from "bun:test";
import { pageFrom, pageOfRows } from "./page.ts";

const key = (name: string) => name;

test("pages follow one another without a gap or a repetition, and the last says that it is", () => {
  const rows = ["a", "b", "c", "d", "e"];
  const first = pageFrom(rows, key, { limit: 2 });
  expect(first).toEqual({ items: ["a", "b"], next: "b" });
  const second = pageFrom(rows, key, { limit: 2, cursor: "b" });
  expect(second).toEqual({ items: ["c", "d"], next: "d" });
  expect(pageFrom(rows, key, { limit: 2, cursor: "d" })).toEqual({ items: ["e"] });
  expect(pageFrom(rows.slice(0, 2), key, { limit: 2 })).toEqual({ items: ["a", "b"] });
});

test("what is added or removed between two pages shifts nothing, even where the cursor's own row went", () => {
  expect(pageFrom(["a", "aa", "c", "d"], key, { limit: 2, cursor: "b" }).items).toEqual(["c", "d"]);
  expect(pageFrom(["d", "c", "aa", "a"], key, { limit: 9, cursor: "b" }, "descending").items).toEqual([
    "aa",
    "a",
  ]);
});

test("of rows read with one too many, that one says only that there is more", () => {
  expect(pageOfRows(["a", "b", "c"], key, 2)).toEqual({ items: ["a", "b"], next: "b" });
});
