import type { Bench, Measurement } from "./definition.ts";
import { median, short } from "./statistics.ts";

/** How much better we are than the best of the others in that case: 2 is twice as fast. */
export function ratio(bench: Bench, rows: readonly Measurement[], own: Measurement): number {
  const others = rows.filter(
    (row) => row.case === own.case && row.subject !== "labctl" && row.failures === 0,
  );
  const medians = others.map((row) => median(row.values)).filter(Number.isFinite);
  if (medians.length === 0) return Number.NaN;
  const ours = median(own.values);
  return bench.better === "lower" ? Math.min(...medians) / ours : ours / Math.max(...medians);
}

export function table(bench: Bench, rows: readonly Measurement[]): string {
  const head = ["case", "server", bench.unit, "spread", "ratio", "CPU s", "peak MB", "failed", ""];
  const body = rows.map((row) => [
    row.case,
    row.subject,
    short(median(row.values)),
    row.values.length > 0 ? `${short(Math.min(...row.values))}-${short(Math.max(...row.values))}` : "-",
    row.subject === "labctl" ? `${short(ratio(bench, rows, row))}x` : "",
    short(median(row.cpuSeconds)),
    short(row.peakBytes / 1e6),
    String(row.failures),
    row.note ?? "",
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...body.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (cells: string[]) =>
    cells
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [line(head), ...body.map(line)].join("\n");
}
