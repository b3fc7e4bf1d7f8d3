import type { Bench, Measurement, Target } from "./definition.ts";
import { median, short } from "./statistics.ts";

type Described = Pick<Bench, "unit" | "better">;

/** How much better we are than the best of the others (of `beside`) in that case: 2 is twice as fast. */
export function ratio(
  bench: Described,
  rows: readonly Measurement[],
  own: Measurement,
  beside?: readonly string[],
): number {
  const others = rows.filter(
    (row) =>
      row.case === own.case &&
      row.subject !== "labctl" &&
      row.failures === 0 &&
      (beside?.includes(row.subject) ?? true),
  );
  const medians = others.map((row) => median(row.values)).filter(Number.isFinite);
  if (medians.length === 0) return Number.NaN;
  const ours = median(own.values);
  return (own.better ?? bench.better) === "lower" ? Math.min(...medians) / ours : ours / Math.max(...medians);
}

/** What was reached of a target in one of our rows. */
export function reached(
  bench: Described,
  rows: readonly Measurement[],
  row: Measurement,
  target: Target,
): { value: number; must: boolean | undefined; aim: boolean | undefined } {
  const higher =
    target.of === "ratio" || (target.of === "value" && (row.better ?? bench.better) === "higher");
  const value =
    target.of === "ratio"
      ? ratio(bench, rows, row, target.beside)
      : target.of === "peak"
        ? row.peakBytes / 1e6
        : median(row.values);
  const holds = (bound: number | undefined) =>
    bound === undefined || !Number.isFinite(value)
      ? undefined
      : row.failures === 0 && (higher ? value >= bound : value <= bound);
  return { value, must: holds(target.must), aim: holds(target.aim) };
}

/** The rows as text cells, under their titles. */
export function cells(bench: Described, rows: readonly Measurement[]): { head: string[]; body: string[][] } {
  const head = ["case", "server", "median", "unit", "spread", "ratio", "CPU s", "peak MB", "failed", ""];
  const body = rows.map((row) => [
    row.case,
    row.subject,
    short(median(row.values)),
    row.unit ?? bench.unit,
    row.values.length > 0 ? `${short(Math.min(...row.values))}-${short(Math.max(...row.values))}` : "-",
    row.subject === "labctl" ? `${short(ratio(bench, rows, row))}x`.replace("-x", "") : "",
    short(median(row.cpuSeconds)),
    row.peakBytes > 0 ? short(row.peakBytes / 1e6) : "-",
    String(row.failures),
    row.note ?? "",
  ]);
  return { head, body };
}

export function table(bench: Described, rows: readonly Measurement[]): string {
  const { head, body } = cells(bench, rows);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...body.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (texts: string[]) =>
    texts
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [line(head), ...body.map(line)].join("\n");
}
