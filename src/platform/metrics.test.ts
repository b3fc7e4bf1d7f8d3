import { expect, test } from "bun:test";
import { createMetrics } from "./metrics.ts";

test("counters, readings and histograms are written as the text format 0.0.4 has them", () => {
  const metrics = createMetrics();
  metrics.counter("plain_total", "Never counted.");
  const counter = metrics.counter("seen_total", "Seen\nthings \\.", ["kind"]);
  counter.add({ kind: 'a "quoted" \\ \n kind' });
  counter.add({ kind: "b" }, 2.5);
  counter.add({ kind: "b" });
  metrics.reading("gauge", "size_bytes", "Size.", () => [{ labels: {}, value: 7 }]);
  const histogram = metrics.histogram("took_seconds", "Took.", [0.1, 1], ["route"]);
  for (const value of [0.1, 0.5, 3]) histogram.observe({ route: "/x" }, value);
  expect(metrics.render()).toBe(
    [
      "# HELP plain_total Never counted.",
      "# TYPE plain_total counter",
      "plain_total 0",
      "# HELP seen_total Seen\\nthings \\\\.",
      "# TYPE seen_total counter",
      'seen_total{kind="a \\"quoted\\" \\\\ \\n kind"} 1',
      'seen_total{kind="b"} 3.5',
      "# HELP size_bytes Size.",
      "# TYPE size_bytes gauge",
      "size_bytes 7",
      "# HELP took_seconds Took.",
      "# TYPE took_seconds histogram",
      'took_seconds_bucket{route="/x",le="0.1"} 1',
      'took_seconds_bucket{route="/x",le="1"} 2',
      'took_seconds_bucket{route="/x",le="+Inf"} 3',
      'took_seconds_sum{route="/x"} 3.6',
      'took_seconds_count{route="/x"} 3',
      "",
    ].join("\n"),
  );
});

test("a label that grows without bound ends in one series called other", () => {
  const metrics = createMetrics();
  const counter = metrics.counter("wild_total", "Wild.", ["who"]);
  for (let index = 0; index < 5000; index++) counter.add({ who: String(index) });
  const lines = metrics.render().split("\n");
  expect(lines.filter((line) => line.startsWith("wild_total"))).toHaveLength(1001);
  expect(lines).toContain('wild_total{who="other"} 4000');
});

test("one name is one metric", () => {
  const metrics = createMetrics();
  metrics.counter("twice_total", "Once.");
  expect(() => metrics.counter("twice_total", "Twice.")).toThrow("there is a metric twice_total already");
});
