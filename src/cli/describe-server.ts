import type { z } from "zod";
import type { serverDetail } from "../fleet/api.ts";
import { describeClockDifference } from "../platform/clock-difference.ts";
import { formatDisk, formatMemory } from "../platform/size.ts";
import {
  type Column,
  formatAge,
  formatData,
  formatTable,
  formatTime,
  type OutputFormat,
  print,
  printRecord,
  visible,
} from "./output.ts";

type Detail = z.output<typeof serverDetail>;

const fields: Column<Detail>[] = [
  { title: "NAME", value: (row) => row.name },
  { title: "STATE", value: (row) => row.state },
  {
    title: "SEEN",
    value: (row) => (row.seenAt === undefined ? undefined : `${formatAge(Date.now() - row.seenAt)} ago`),
  },
  { title: "ADDRESS", value: (row) => row.address },
  { title: "AGENT", value: (row) => row.agentVersion },
  { title: "UNKNOWN MESSAGES", value: (row) => row.ignored },
  {
    title: "CLOCK",
    value: (row) =>
      row.clockAhead === undefined
        ? undefined
        : (describeClockDifference(row.clockAhead, "labd's") ?? "as labd's"),
  },
  { title: "ENROLLED", value: (row) => formatTime(row.enrolledAt) },
  {
    title: "LABELS",
    value: (row) =>
      Object.entries(row.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(","),
  },
  { title: "MACS", value: (row) => row.macs.join(" ") },
  { title: "UPTIME", value: (row) => (row.vitals ? formatAge(row.vitals.uptime * 1000) : undefined) },
  { title: "LOAD", value: (row) => row.vitals?.load.map((each) => each.toFixed(2)).join(" ") },
  {
    title: "MEMORY",
    value: ({ vitals }) =>
      vitals && `${formatMemory(vitals.memory.available)} of ${formatMemory(vitals.memory.total)} available`,
  },
];

/** What a host is, how it is now, and what changed on it. */
export function showServer(server: Detail, format: OutputFormat): void {
  printRecord(server, fields, format);
  if (format !== "table") return;
  section("FILE SYSTEMS", server.vitals?.disks ?? [], [
    { title: "MOUNT", value: ({ mount }) => mount },
    { title: "SIZE", value: ({ size }) => formatDisk(size) },
    {
      title: "USED",
      value: ({ size, used }) => (size === 0 ? undefined : `${Math.round((100 * used) / size)} %`),
    },
  ]);
  const { disks, sensors } = server.health ?? {};
  section(
    "DISKS",
    disks?.items ?? [],
    [
      { title: "DEVICE", value: ({ device }) => device },
      { title: "MODEL", value: ({ model }) => model },
      {
        title: "HEALTH",
        value: ({ passed, problem }) =>
          problem ?? (passed === undefined ? undefined : passed ? "good" : "FAILING"),
      },
      { title: "°C", value: ({ temperature }) => temperature },
      { title: "HOURS", value: ({ hours }) => hours },
      { title: "REALLOCATED", value: ({ reallocated }) => reallocated },
      { title: "PENDING", value: ({ pending }) => pending },
      { title: "WORN", value: ({ worn }) => (worn === undefined ? undefined : `${worn} %`) },
      { title: "ERRORS", value: ({ errors }) => errors },
    ],
    disks?.missing,
  );
  section(
    "SENSORS",
    sensors?.items ?? [],
    [
      { title: "SENSOR", value: ({ name }) => name },
      { title: "VALUE", value: ({ value, unit }) => `${value} ${unit}` },
    ],
    sensors?.missing,
  );
  if (server.facts) print(`\nINVENTORY\n${visibleLines(formatData(server.facts, "yaml"))}`);
  if (server.history.length === 0) return;
  print("\nHISTORY");
  for (const { at, what } of server.history) print(`${formatTime(at)}  ${visible(what)}`);
}

function section<Row>(
  title: string,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  missing?: string,
): void {
  if (rows.length > 0) print(`\n${title}\n${formatTable(rows, columns)}`);
  else if (missing !== undefined) print(`\n${title}\n${visible(missing)}`);
}

const visibleLines = (text: string) => text.split("\n").map(visible).join("\n");
