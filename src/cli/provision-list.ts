import { type MachineView, machineListSchema } from "../machines/api.ts";
import { formatDisk, formatMemory } from "../platform/size.ts";
import { readList } from "./client.ts";
import { outputFlag } from "./define.ts";
import { type Column, formatAge, note, printRecords } from "./output.ts";
import { defineRemoteCommand } from "./remote.ts";
import { outputFormat } from "./settings.ts";

export const machineArgument = {
  type: "positional",
  required: true,
  description: "MAC address or name",
} as const;

/** `packages`, or why it is not going on. */
export const stateDetail = ({ state, stage, reason }: MachineView) =>
  state === "failed" ? [stage, reason].filter((each) => each !== undefined).join(": ") : stage;

const columns: Column<MachineView>[] = [
  { title: "MAC", value: ({ mac }) => mac },
  { title: "NAME", value: ({ name }) => name },
  { title: "STATE", value: ({ state }) => state },
  { title: "BASTION", value: ({ bastion }) => bastion },
  { title: "FOR", value: ({ since }) => formatAge(Date.now() - since) },
  { title: "STAGE", value: stateDetail },
  { title: "PRODUCT", value: ({ summary }) => summary?.product },
  { title: "CPUS", value: ({ summary }) => summary?.threads },
  { title: "MEMORY", value: ({ summary }) => formatMemory(summary?.memoryBytes) },
  {
    title: "DISKS",
    value: ({ summary }) => summary?.disks.map(({ sizeBytes }) => formatDisk(sizeBytes) ?? "?").join(" "),
  },
];

export const list = defineRemoteCommand({
  summary: "the machines, with their state",
  example: "labctl provision list --state discovered -o json",
  args: {
    state: {
      type: "enum",
      options: ["discovered", "queued", "installing", "installed", "failed", "stalled"],
      description: "only those in this state",
    },
    ...outputFlag,
  },
  run: async ({ state, output }, { client }) => {
    const format = outputFormat(output);
    const machines = await readList(
      ({ query }) => client.v1.machines.$get({ query: { ...query, state } }),
      machineListSchema,
    );
    printRecords(machines, columns, format);
    if (machines.length === 0 && format === "table") {
      note("no machine yet: switch one on with network boot first; labctl doctor checks this side");
    }
  },
});
