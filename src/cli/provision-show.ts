import { type MachineDetail, machineDetailSchema } from "../machines/api.ts";
import { describeExpectation } from "../machines/expectation.ts";
import { formatDuration } from "../platform/duration.ts";
import { readMac } from "../platform/mac.ts";
import { formatDisk, formatMemory } from "../platform/size.ts";
import { at, type Client, read } from "./client.ts";
import { outputFlag } from "./define.ts";
import {
  type Column,
  formatTable,
  formatTime,
  type OutputFormat,
  print,
  printRecord,
  visible,
} from "./output.ts";
import { machineArgument, stateDetail } from "./provision-list.ts";
import { defineRemoteCommand } from "./remote.ts";
import { outputFormat } from "./settings.ts";

const fields: Column<MachineDetail>[] = [
  { title: "MAC", value: ({ nics }) => nics.join(" ") },
  { title: "NAME", value: ({ name }) => name },
  {
    title: "STATE",
    value: (machine) =>
      [machine.state, stateDetail(machine)].filter((each) => each !== undefined && each !== "").join(": "),
  },
  { title: "SINCE", value: ({ since }) => formatTime(since) },
  { title: "LAST SEEN", value: ({ seenAt }) => formatTime(seenAt) },
  {
    title: "PRODUCT",
    value: ({ summary }) => [summary?.vendor, summary?.product].filter((each) => each).join(" "),
  },
  { title: "SERIAL", value: ({ serial }) => serial },
  { title: "UUID", value: ({ uuid }) => uuid },
  { title: "FIRMWARE", value: ({ summary }) => summary?.firmware },
  {
    title: "CPU",
    value: ({ summary }) =>
      summary?.cpu === undefined ? undefined : `${summary.cpu} (${summary.threads ?? "?"} threads)`,
  },
  { title: "MEMORY", value: ({ summary }) => formatMemory(summary?.memoryBytes) },
  {
    title: "DISKS",
    value: ({ summary }) =>
      summary?.disks.map(({ name, sizeBytes }) => `${name} ${formatDisk(sizeBytes) ?? ""}`.trim()).join(", "),
  },
  {
    title: "BOOT OPTIONS",
    value: ({ bootOptions }) =>
      Object.entries(bootOptions ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(" "),
  },
];

const detailOf = (client: Client, machine: string) =>
  read(client.v1.machines[":machine"].$get(at({ machine })), machineDetailSchema);

export const show = defineRemoteCommand({
  summary: "one machine: hardware, install stages, history",
  example: "labctl provision show node1 --boot",
  args: {
    machine: machineArgument,
    boot: { type: "boolean", description: "its boot record: every step from power-on, and a verdict" },
    ...outputFlag,
  },
  run: async ({ machine, boot, output }, { client }) => {
    const format = outputFormat(output);
    if (boot === true) {
      const { showBoot } = await import("./provision-boot.ts");
      // A machine that has not come as far as discovery has a record too, under its MAC.
      const mac = readMac(machine) ?? (await detailOf(client, machine)).mac;
      await showBoot(client, mac, format);
      return;
    }
    await showMachine(client, machine, format);
  },
});

/** Prints all that is known of a machine but its boots. */
export async function showMachine(client: Client, machine: string, format: OutputFormat): Promise<void> {
  const detail = await detailOf(client, machine);
  printRecord(detail, fields, format);
  if (format !== "table") return;
  section("STAGES", detail.stages, [
    { title: "STAGE", value: ({ name }) => name },
    { title: "STATE", value: ({ state }) => state },
    {
      title: "TOOK",
      value: ({ startedAt, endedAt }) => formatDuration((endedAt ?? Date.now()) - startedAt),
    },
    {
      title: "EXPECTED",
      value: ({ name }) => {
        const expected = detail.expectations[name];
        return expected && describeExpectation(expected);
      },
    },
    { title: "MESSAGE", value: ({ message }) => message?.split("\n", 1)[0] },
  ]);
  section("INSTALLS", detail.installs, [
    { title: "QUEUED", value: ({ queuedAt }) => formatTime(queuedAt) },
    { title: "NAME", value: ({ name }) => name },
    { title: "OS", value: ({ os }) => os },
    { title: "ROLE", value: ({ role }) => role },
    { title: "OUTCOME", value: ({ outcome }) => outcome },
    { title: "REASON", value: ({ reason }) => reason },
  ]);
  if (detail.history.length === 0) return;
  print("\nHISTORY");
  for (const { at, what } of detail.history) print(`${formatTime(at)}  ${visible(what)}`);
}

function section<Row>(title: string, rows: readonly Row[], columns: readonly Column<Row>[]): void {
  if (rows.length > 0) print(`\n${title}\n${formatTable(rows, columns)}`);
}
