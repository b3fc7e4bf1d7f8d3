import { expect, test } from "bun:test";
import { parseLabelChange, parseSelector, selects } from "./selector.ts";

const labels = { env: "dev", site: "a", gpu: "" };

test.each([
  ["", true],
  ["env=dev", true],
  ["env=prod", false],
  ["env!=prod,site=a", true],
  ["env=dev,site=b", false],
  ["gpu", true],
  ["!gpu", false],
  ["!old,missing!=x", true],
])("'%s' selects: %p", (selector, expected) => {
  expect(selects(parseSelector(selector), labels)).toBe(expected);
});

test("what is no selector is refused by name", () => {
  for (const text of ["env=de v", "=x", "!env=dev", "a=b;rm"])
    expect(() => parseSelector(text)).toThrow("label selector");
});

test("a label is set with = and removed with -", () => {
  expect(parseLabelChange("env=dev")).toEqual({ key: "env", value: "dev" });
  expect(parseLabelChange("env-")).toEqual({ key: "env", value: undefined });
  expect(() => parseLabelChange("env")).toThrow("not a label");
});
