import { expect, test } from "bun:test";
import { formatAge, formatData, formatTable, visible } from "./output.ts";

const columns = [
  { title: "NAME", value: (row: { name: string; n?: number }) => row.name },
  { title: "N", value: (row: { name: string; n?: number }) => row.n },
];

test("a table aligns its columns and shows what is absent as a dash", () => {
  expect(formatTable([{ name: "a-long-name", n: 1 }, { name: "b" }], columns)).toBe(
    "NAME         N\na-long-name  1\nb            -",
  );
});

test("JSON and YAML carry the whole record", () => {
  expect(formatData({ a: [1] }, "json")).toBe('{\n  "a": [\n    1\n  ]\n}');
  expect(Bun.YAML.parse(formatData({ a: [1], mode: "0755" }, "yaml"))).toEqual({ a: [1], mode: "0755" });
});

test("text of the network cannot drive the terminal", () => {
  expect(visible("a\u001b[2Jb\u009b1m\u202e")).toBe("a\uFFFD[2Jb\uFFFD1m\uFFFD");
});

test("an age is shown in one unit", () => {
  expect([5_000, 65_000, 7_200_000, 200_000_000].map(formatAge)).toEqual(["5s", "1m", "2h", "2d"]);
});
