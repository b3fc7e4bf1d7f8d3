import { z } from "zod";
import { roleView, tokenView, userView } from "../access/api.ts";
import { type ServerView, serverView } from "../fleet/api.ts";
import { AppError } from "../platform/errors.ts";
import { nearest } from "../platform/nearest.ts";
import { defineCommand, outputFlag } from "./define.ts";
import { connect } from "./labd-connection.ts";
import { type Column, formatAge, formatData, formatTable, formatTime, print } from "./output.ts";
import { outputFormat } from "./settings.ts";

interface Kind {
  path: (selector: string) => string;
  /** The rows of the answer, and what a table shows of them. */
  read: (answer: unknown) => { rows: unknown[]; table: () => string };
}

function kind<Row>(path: Kind["path"], schema: z.ZodType<Row>, columns: Column<Row>[]): Kind {
  const list = z.object({ items: z.array(schema) });
  return {
    path,
    read: (answer) => {
      const { items } = list.parse(answer);
      return { rows: items, table: () => formatTable(items, columns) };
    },
  };
}

const labels = (row: ServerView) =>
  Object.entries(row.labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");

const kinds: Record<string, Kind> = {
  servers: kind((selector) => `/api/v1/servers?selector=${encodeURIComponent(selector)}`, serverView, [
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
  ]),
  tokens: kind(() => "/api/v1/tokens", tokenView, [
    { title: "ID", value: (row) => row.id },
    { title: "KIND", value: (row) => row.kind },
    { title: "STATE", value: (row) => row.state },
    { title: "EXPIRES", value: (row) => formatTime(row.expiresAt) },
  ]),
  users: kind(() => "/api/v1/users", userView, [
    { title: "NAME", value: (row) => row.name },
    { title: "ROLES", value: (row) => row.roles.join(",") },
    { title: "GROUPS", value: (row) => row.groups.join(",") },
    { title: "CREATED", value: (row) => formatTime(row.createdAt) },
  ]),
  roles: kind(() => "/api/v1/roles", roleView, [
    { title: "NAME", value: (row) => row.name },
    {
      title: "GRANTS",
      value: (row) =>
        row.grants.map((grant) => `${grant.effect === "deny" ? "!" : ""}${grant.permission}`).join(","),
    },
    { title: "SUMMARY", value: (row) => row.summary },
  ]),
};

export const get = defineCommand({
  summary: "list servers, tokens, users or roles",
  example: "labctl get servers --selector env=dev",
  args: {
    kind: { type: "positional", required: true, description: Object.keys(kinds).join(", ") },
    selector: { type: "string", alias: "l", default: "", description: "labels, for example env=dev,site!=b" },
    watch: { type: "boolean", alias: "w", description: "again every two seconds, until interrupted" },
    ...outputFlag,
  },
  run: async ({ kind: wanted, selector, watch, output }) => {
    const found = Object.hasOwn(kinds, wanted) ? kinds[wanted] : undefined;
    if (found === undefined) {
      const close = nearest(wanted, Object.keys(kinds));
      throw new AppError("usage", `there is nothing called '${wanted}' to get`, {
        hint: close === undefined ? `one of ${Object.keys(kinds).join(", ")}` : `did you mean '${close}'?`,
      });
    }
    const format = outputFormat(output);
    const client = connect();
    for (;;) {
      const { rows, table } = found.read(await client.get(found.path(selector), z.unknown()));
      if (watch === true && process.stdout.isTTY) process.stdout.write("\u001b[2J\u001b[H");
      print(format === "table" ? table() : formatData(rows, format));
      if (watch !== true) return;
      await Bun.sleep(2000);
    }
  },
});
