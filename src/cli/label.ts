import { serverView } from "../fleet/api.ts";
import { AppError } from "../platform/errors.ts";
import { at, read } from "./client.ts";
import { outputFlag } from "./define.ts";
import { formatAge, formatData, formatTime, print, printRecord } from "./output.ts";
import { defineRemoteCommand } from "./remote.ts";
import { outputFormat } from "./settings.ts";

function serverIn(target: string): string {
  if (target.startsWith("server/")) return target.slice("server/".length);
  throw new AppError("usage", `'${target}' is not a host`, { hint: "server/NAME; labctl get servers" });
}

export const label = defineRemoteCommand({
  summary: "set and remove labels of a host",
  example: "labctl label server/node1 env=dev old-",
  args: {
    target: { type: "positional", required: true, description: "server/NAME" },
    change: {
      type: "positional",
      required: true,
      description: "KEY=VALUE to set, KEY- to remove, commas between",
    },
  },
  run: async ({ target, change }, { client }) => {
    const { parseLabelChange } = await import("../access/selector.ts");
    const labels = Object.fromEntries(
      change
        .split(",")
        .map(parseLabelChange)
        .map(({ key, value }) => [key, value ?? null]),
    );
    await client.v1.servers[":name"].labels.$patch({ ...at({ name: serverIn(target) }), json: { labels } });
    print(`${target} is labelled`);
  },
});

export const describe = defineRemoteCommand({
  summary: "everything known of one host",
  example: "labctl describe server/node1",
  args: { target: { type: "positional", required: true, description: "server/NAME" }, ...outputFlag },
  run: async ({ target, output }, { client }) => {
    const server = await read(client.v1.servers[":name"].$get(at({ name: serverIn(target) })), serverView);
    const format = outputFormat(output);
    printRecord(
      server,
      [
        { title: "NAME", value: (row) => row.name },
        { title: "STATE", value: (row) => row.state },
        {
          title: "SEEN",
          value: (row) =>
            row.seenAt === undefined ? undefined : `${formatAge(Date.now() - row.seenAt)} ago`,
        },
        { title: "ADDRESS", value: (row) => row.address },
        { title: "AGENT", value: (row) => row.agentVersion },
        { title: "ENROLLED", value: (row) => formatTime(row.enrolledAt) },
        { title: "LABELS", value: (row) => formatLabels(row.labels) },
        { title: "MACS", value: (row) => row.macs.join(" ") },
        { title: "UPTIME", value: (row) => (row.vitals ? formatAge(row.vitals.uptime * 1000) : undefined) },
        { title: "LOAD", value: (row) => row.vitals?.load.map((each) => each.toFixed(2)).join(" ") },
      ],
      format,
    );
    if (format === "table" && server.facts) print(`\n${formatData(server.facts, "yaml")}`);
  },
});

const formatLabels = (labels: Record<string, string>) =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
