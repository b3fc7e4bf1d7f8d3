import { expect, test } from "bun:test";
import type { Measurement } from "./definition.ts";
import { niceCeiling, renderPlot } from "./plot.ts";
import { ratio, reached, table } from "./report.ts";
import { compare, type Subject } from "./rounds.ts";
import { parseWrk } from "./wrk.ts";

const bench = { unit: "s", better: "lower" } as const;
const row = (subject: string, values: number[], more: Partial<Measurement> = {}): Measurement => ({
  ...{ case: "a file", subject, values, cpuSeconds: [], peakBytes: 0, failures: 0 },
  ...more,
});

test("a ratio is against the best peer that did not fail, whichever way is better", () => {
  const own = row("labctl", [1, 2, 3]);
  const rows = [own, row("slow", [8]), row("fast", [4]), row("broken", [0.1], { failures: 1 })];
  expect(ratio(bench, rows, own)).toBe(2);
  expect(ratio(bench, rows, own, ["slow"])).toBe(4);
  expect(ratio({ ...bench, better: "higher" }, rows, own)).toBe(0.25);
  expect(ratio(bench, [own], own)).toBeNaN();
});

test("a target is met by the median, and never by what failed", () => {
  const own = row("labctl", [9, 10, 11]);
  expect(reached(bench, [own], own, { cases: /./, of: "value", must: 10, aim: 5 })).toMatchObject({
    must: true,
    aim: false,
  });
  const failed = row("labctl", [1], { failures: 1 });
  expect(reached(bench, [failed], failed, { cases: /./, of: "value", must: 10 }).must).toBe(false);
});

test("servers take turns, the first round is not counted, and one that failed is left alone", async () => {
  const order: string[] = [];
  const subject = (name: string, fails = false): Subject => ({
    name,
    async round(number) {
      order.push(`${name}${number}`);
      if (fails) throw new Error("no answer");
      return { value: number, more: { p99: { value: number * 10, unit: "ms", better: "lower" } } };
    },
  });
  const context = { rounds: 2, wanted: () => true, log() {} };
  const measured = await compare(
    // checked: what else a context has is not asked for by `compare`
    context as unknown as Parameters<typeof compare>[0],
    "work",
    [subject("a"), subject("b", true)],
  );
  expect(order).toEqual(["a0", "b0", "a1", "a2"]);
  expect(measured).toMatchObject([
    { case: "work", subject: "a", values: [1, 2] },
    { case: "work", subject: "b", values: [], failures: 1, note: "no answer" },
    { case: "work, p99", subject: "a", values: [10, 20], unit: "ms" },
  ]);
  expect(table(bench, measured)).toContain("no answer");
});

test("what wrk says is read in its own scales", () => {
  const said = `  Latency Distribution
     50%  512.00us
     99%    1.20ms
  100 requests in 1.00s, 2.00MB read
  Non-2xx or 3xx responses: 3
Requests/sec:  12345.67
Transfer/sec:      1.50GB`;
  expect(parseWrk(said)).toEqual({
    perSecond: 12_345.67,
    bytesPerSecond: 1.5 * 2 ** 30,
    p99Ms: 1.2,
    failures: 3,
    reason: "Non-2xx or 3xx responses: 3",
  });
  expect(() => parseWrk("unable to connect")).toThrow("unable to connect");
});

test("a plot shows every series by name and escapes what it writes", () => {
  const svg = renderPlot({
    ...{ title: "a < b", xTitle: "clients", yTitle: "MB/s" },
    series: [
      {
        name: "labctl",
        points: [
          [64, 10],
          [512, 90],
        ],
      },
    ],
  });
  expect(svg).toContain("a &lt; b");
  expect(svg).toContain("labctl");
  expect(svg.match(/<circle/g)).toHaveLength(2);
  expect([0.3, 7, 23, 90, 500].map(niceCeiling)).toEqual([0.5, 10, 25, 100, 500]);
});
