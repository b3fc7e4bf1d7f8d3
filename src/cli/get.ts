import type { z } from "zod";
import { roleView, tokenView, userView } from "../access/api.ts";
import { bastionView, type ServerView, serverView } from "../fleet/api.ts";
import { pageOf } from "../http/page.ts";
import { AppError } from "../platform/errors.ts";
import { nearest } from "../platform/nearest.ts";
import { type Client, type ListPage, readList } from "./client.ts";
import { outputFlag } from "./define.ts";
import { type Column, formatAge, formatData, formatTable, formatTime, print } from "./output.ts";
import { defineRemoteCommand } from "./remote.ts";
import { outputFormat } from "./settings.ts";

interface Kind {
  /** The rows there are, and what a table shows of them. */
  list: (client: Client, selector: string) => Promise<{ rows: unknown[]; table: () => string }>;
}

function kind<Row>(
  list: (client: Client, page: ListPage, selector: string) => ReturnType<Parameters<typeof readList<Row>>[0]>,
  schema: z.ZodType<Row>,
  columns: Column<Row>[],
): Kind {
  return {
    list: async (client, selector) => {
      const rows = await readList((page) => list(client, page, selector), pageOf(schema));
      return { rows, table: () => formatTable(rows, columns) };
    },
  };
}

const labels = (row: ServerView) =>
  Object.entries(row.labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");

const kinds: Record<string, Kind> = {
  servers: kind(
    (client, { query }, selector) => client.v1.servers.$get({ query: { ...query, selector } }),
    serverView,
    [
      { title: "NAME", value: (row) => row.name },
      { title: "STATE", value: (row) => row.state },
      {
        title: "SEEN",
        value: (row) => (row.seenAt === undefined ? undefined : `${formatAge(Date.now() - row.seenAt)} ago`),
      },
      { title: "ADDRESS", value: (row) => row.address },
      { title: "AGENT", value: (row) => row.agentVersion },
      { title: "LOAD", value: (row) => row.vitals?.load[0].toFixed(2) },
      { title: "LABELS", value: labels },
    ],
  ),
  bastions: kind((client, page) => client.v1.bastions.$get(page), bastionView, [
    { title: "NAME", value: (row) => row.name },
    { title: "STATE", value: (row) => row.state },
    {
      title: "SEEN",
      value: (row) => (row.seenAt === undefined ? undefined : `${formatAge(Date.now() - row.seenAt)} ago`),
    },
    { title: "ADDRESS", value: (row) => row.address },
    { title: "VERSION", value: (row) => row.version },
  ]),
  tokens: kind((client, page) => client.v1.tokens.$get(page), tokenView, [
    { title: "ID", value: (row) => row.id },
    { title: "KIND", value: (row) => row.kind },
    { title: "STATE", value: (row) => row.state },
    { title: "EXPIRES", value: (row) => formatTime(row.expiresAt) },
  ]),
  users: kind((client, page) => client.v1.users.$get(page), userView, [
    { title: "NAME", value: (row) => row.name },
    { title: "ROLES", value: (row) => row.roles.join(",") },
    { title: "GROUPS", value: (row) => row.groups.join(",") },
    { title: "CREATED", value: (row) => formatTime(row.createdAt) },
  ]),
  roles: kind((client, page) => client.v1.roles.$get(page), roleView, [
    { title: "NAME", value: (row) => row.name },
    {
      title: "GRANTS",
      value: (row) =>
        row.grants.map((grant) => `${grant.effect === "deny" ? "!" : ""}${grant.permission}`).join(","),
    },
    { title: "SUMMARY", value: (row) => row.summary },
  ]),
};

export const get = defineRemoteCommand({
  summary: "list servers, tokens, users or roles",
  example: "labctl get servers --selector env=dev",
  args: {
    kind: { type: "positional", required: true, description: Object.keys(kinds).join(", ") },
    selector: { type: "string", alias: "l", default: "", description: "labels, for example env=dev,site!=b" },
    watch: { type: "boolean", alias: "w", description: "again every two seconds, until interrupted" },
    ...outputFlag,
  },
  run: async ({ kind: wanted, selector, watch, output }, { client }) => {
    const found = Object.hasOwn(kinds, wanted) ? kinds[wanted] : undefined;
    if (found === undefined) {
      const close = nearest(wanted, Object.keys(kinds));
      throw new AppError("usage", `there is nothing called '${wanted}' to get`, {
        hint: close === undefined ? `one of ${Object.keys(kinds).join(", ")}` : `did you mean '${close}'?`,
      });
    }
    const format = outputFormat(output);
    for (;;) {
      const { rows, table } = await found.list(client, selector);
      if (watch === true && process.stdout.isTTY) process.stdout.write("\u001b[2J\u001b[H");
      print(format === "table" ? table() : formatData(rows, format));
      if (watch !== true) return;
      await Bun.sleep(2000);
    }
  },
});
