import { expect, test } from "bun:test";
import { lineOf, linesThatParse } from "./yaml-line.ts";

const text = `# a comment: with a colon
http:
  port: 80

interfaces:
- name: eth1
  # dhcp: full
  dhcp: proxy
-
  dhcp: full
  reservations:
    - { mac: x, ip: y }
    - mac: z
      "ip": w
tftp: {port: 69}
`;

test.each([
  [["http", "port"], 3],
  [["interfaces", 0, "name"], 6],
  [["interfaces", 0, "dhcp"], 8],
  [["interfaces", 1, "dhcp"], 10],
  [["interfaces", 1, "reservations", 1, "ip"], 14],
])("%p begins on line %d", (path, line) => {
  expect(lineOf(text, path)).toBe(line);
});

test("what is absent or in brackets is looked for on the line of what holds it, never in a neighbour", () => {
  expect(lineOf(text, ["interfaces", 1, "name"])).toBe(9);
  expect(lineOf(text, ["interfaces", 1, "reservations", 0, "ip"])).toBe(12);
  expect(lineOf(text, ["tftp", "port"])).toBe(15);
  expect(lineOf(text, ["interfaces", 7])).toBe(5);
  expect(lineOf(text, ["labd"])).toBeUndefined();
  expect(lineOf("", ["labd"])).toBeUndefined();
});

test("a fault is seen after the last lines that parse by themselves", () => {
  const parses = (part: string) => {
    try {
      Bun.YAML.parse(part);
      return true;
    } catch {
      return false;
    }
  };
  expect(linesThatParse("a:\n  - b: 1\n   c: 2\nd: 3\n", parses)).toBe(2);
  expect(linesThatParse("a: [1,\n  2]\nb: 1\nc: [\n", parses)).toBe(3);
  expect(linesThatParse("a: [\n", parses)).toBe(0);
});
