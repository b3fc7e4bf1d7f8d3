export { formatAge, formatTime } from "../platform/time.ts";

export type OutputFormat = "table" | "json" | "yaml";

export interface Column<Row> {
  title: string;
  value: (row: Row) => string | number | undefined;
}

/** The only ways a command writes: results to stdout, everything else to stderr. */
export const print = (text: string) => void process.stdout.write(`${text}\n`);
export const note = (text: string) => void process.stderr.write(`${text}\n`);

/** Prints records as a table for people, or whole, as JSON or YAML, for programs. */
export function printRecords<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  format: OutputFormat,
): void {
  print(format === "table" ? formatTable(rows, columns) : formatData(rows, format));
}

/** Prints one record: `title: value` lines, or the whole record as JSON or YAML. */
export function printRecord<Row>(row: Row, columns: readonly Column<Row>[], format: OutputFormat): void {
  if (format !== "table") {
    print(formatData(row, format));
    return;
  }
  const width = Math.max(...columns.map((column) => column.title.length));
  for (const { title, value } of columns)
    print(`${title.toLowerCase().padEnd(width)}  ${cell(value(row))}`.trimEnd());
}

export function formatData(value: unknown, format: "json" | "yaml"): string {
  return format === "json"
    ? JSON.stringify(value, null, 2)
    : (Bun.YAML.stringify(value, null, 2) ?? "").trimEnd();
}

export function formatTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const lines = [
    columns.map((column) => column.title),
    ...rows.map((row) => columns.map(({ value }) => cell(value(row)))),
  ];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((text, index) => text.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function cell(value: string | number | undefined): string {
  return value === undefined || value === "" ? "-" : visible(String(value));
}

/** Text of the network without what could move the cursor, recolour or rename a terminal. */
export function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "\uFFFD");
}
