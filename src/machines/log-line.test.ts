import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { cutLine, maxLineLength, presentable, splitLines } from "./log-line.ts";

describe("presentable", () => {
  test.each([
    ["plain text, tabs\tand Zürich", "plain text, tabs\tand Zürich"],
    ["\u001b[31mred\u001b[0m", "red"],
    ["\u001b]0;title\u0007after", "after"],
    ["rubbed\u0008out\u0000", "rubbed\ufffdout\ufffd"],
    ["50 %\r", "50 %"],
    ["user\u202etxt.exe", "user\ufffdtxt.exe"],
    ["emoji 🦊 stays", "emoji 🦊 stays"],
  ])("%j is shown as %j", (text, shown) => expect(presentable(text)).toBe(shown));

  test("no control character survives, whatever comes", () => {
    const text = fc.string({ unit: "binary" });
    fc.assert(
      fc.property(text, (line) => {
        for (const char of presentable(line)) {
          const code = char.codePointAt(0) ?? 0;
          expect(code === 9 || (code >= 32 && code < 127) || code >= 160).toBe(true);
        }
      }),
    );
  });
});

test("splitLines numbers the lines upward and drops the end that is none", () => {
  expect(splitLines("a\r\nb\n\nc\n", 5, "syslog")).toEqual([
    { seq: 5, text: "a", source: "syslog" },
    { seq: 6, text: "b", source: "syslog" },
    { seq: 7, text: "", source: "syslog" },
    { seq: 8, text: "c", source: "syslog" },
  ]);
  expect(splitLines("", 1, undefined)).toEqual([]);
  expect(splitLines("no end", 1, undefined)).toEqual([{ seq: 1, text: "no end" }]);
});

test("cutLine keeps the beginning and says how long the line was", () => {
  expect(cutLine("x".repeat(maxLineLength))).toHaveLength(maxLineLength);
  expect(cutLine("x".repeat(maxLineLength + 1))).toEndWith(`x… (${maxLineLength + 1} characters)`);
});
