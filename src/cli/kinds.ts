import type { z } from "zod";
import { groupView, roleView, tokenView, userView } from "../access/api.ts";
import { agentView, bastionView, serverView } from "../fleet/api.ts";
import { pageOf } from "../http/page.ts";
import { imageSchema } from "../images/model.ts";
import { machineSchema } from "../machines/api.ts";
import { AppError } from "../platform/errors.ts";
import { nearest } from "../platform/nearest.ts";
import { formatDisk, formatMemory } from "../platform/size.ts";
import { type Answered, at, type Client, type ListPage, read, readList, type SinceRead } from "./client.ts";
import { type Column, formatAge, formatTime } from "./output.ts";

/** A column of `get`. */
export interface KindColumn<Row> extends Column<Row> {
  /** Shown by `-o wide` and `describe` alone. */
  wide?: boolean;
  /** Differs each time it is looked at: no change worth telling. */
  passing?: boolean;
}

/** Something there are many of, each with a name: `machines` are listed, `machine/NAME` is one. */
export interface Kind<Row = unknown> {
  /** `machine`. */
  one: string;
  columns: readonly KindColumn<Row>[];
  nameOf(row: Row): string;
  /** `since`: what an earlier look found, which is kept where nothing changed. */
  list(client: Client, selector: string, since?: SinceRead): Promise<Row[]>;
  find(client: Client, name: string): Promise<Row>;
}

function kind<Row>(
  one: string,
  schema: z.ZodType<Row>,
  nameOf: (row: Row) => string,
  columns: KindColumn<Row>[],
  ask: {
    list: (client: Client, page: ListPage, selector: string) => Promise<Answered>;
    find: (client: Client, name: string) => Promise<Answered>;
    /** Its resources carry labels. */
    labelled?: boolean;
  },
): Kind {
  const whole: Kind<Row> = {
    one,
    columns,
    nameOf,
    list(client, selector, since) {
      if (selector !== "" && ask.labelled !== true)
        throw new AppError("usage", `${one}s carry no labels to select by`);
      return readList((page) => ask.list(client, page, selector), pageOf(schema), since);
    },
    find: (client, name) => read(ask.find(client, name), schema),
  };
  // checked: rows go back to the kind they came from alone
  return whole as unknown as Kind;
}

const byName = ({ name }: { name: string }) => name;
const ago = (at: number | undefined) => (at === undefined ? undefined : `${formatAge(Date.now() - at)} ago`);
const labels = (row: { labels: Record<string, string> }) =>
  Object.entries(row.labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");

export const kinds: Record<string, Kind> = {
  machines: kind(
    "machine",
    machineSchema,
    ({ name, mac }) => name ?? mac,
    [
      { title: "MAC", value: (row) => row.mac },
      { title: "NAME", value: (row) => row.name },
      { title: "STATE", value: (row) => row.state },
      { title: "STAGE", value: (row) => row.stage },
      { title: "ROLE", value: (row) => row.role },
      { title: "SINCE", value: (row) => formatTime(row.since) },
      { title: "PRODUCT", wide: true, value: (row) => row.summary?.product },
      { title: "CPUS", wide: true, value: (row) => row.summary?.threads },
      { title: "MEMORY", wide: true, value: (row) => formatMemory(row.summary?.memoryBytes) },
      {
        title: "DISKS",
        wide: true,
        value: (row) => row.summary?.disks.map(({ sizeBytes }) => formatDisk(sizeBytes) ?? "?").join(" "),
      },
    ],
    {
      labelled: true,
      list: (client, { query, ...page }, selector) =>
        client.v1.machines.$get({ ...page, query: { ...query, selector } }),
      find: (client, machine) => client.v1.machines[":machine"].$get(at({ machine })),
    },
  ),
  servers: kind(
    "server",
    serverView,
    byName,
    [
      { title: "NAME", value: (row) => row.name },
      { title: "STATE", value: (row) => row.state },
      { title: "SEEN", passing: true, value: (row) => ago(row.seenAt) },
      { title: "ADDRESS", value: (row) => row.address },
      { title: "AGENT", value: (row) => row.agentVersion },
      { title: "LOAD", passing: true, value: (row) => row.vitals?.load[0].toFixed(2) },
      { title: "LABELS", value: labels },
      { title: "MACS", wide: true, value: (row) => row.macs.join(" ") },
      { title: "ENROLLED", wide: true, value: (row) => formatTime(row.enrolledAt) },
      {
        title: "UPTIME",
        wide: true,
        passing: true,
        value: (row) => (row.vitals ? formatAge(row.vitals.uptime * 1000) : undefined),
      },
    ],
    {
      labelled: true,
      list: (client, { query, ...page }, selector) =>
        client.v1.servers.$get({ ...page, query: { ...query, selector } }),
      find: (client, name) => client.v1.servers[":name"].$get(at({ name })),
    },
  ),
  agents: kind(
    "agent",
    agentView,
    byName,
    [
      { title: "NAME", value: (row) => row.name },
      { title: "STATE", value: (row) => row.state },
      { title: "VERSION", value: (row) => row.agentVersion },
      { title: "ADDRESS", value: (row) => row.address },
      { title: "SEEN", passing: true, value: (row) => ago(row.seenAt) },
      { title: "ENROLLED", wide: true, value: (row) => formatTime(row.enrolledAt) },
    ],
    {
      labelled: true,
      list: (client, { query, ...page }, selector) =>
        client.v1.agents.$get({ ...page, query: { ...query, selector } }),
      find: (client, name) => client.v1.agents[":name"].$get(at({ name })),
    },
  ),
  bastions: kind(
    "bastion",
    bastionView,
    byName,
    [
      { title: "NAME", value: (row) => row.name },
      { title: "STATE", value: (row) => row.state },
      { title: "SEEN", passing: true, value: (row) => ago(row.seenAt) },
      { title: "ADDRESS", value: (row) => row.address },
      { title: "VERSION", value: (row) => row.version },
    ],
    {
      list: (client, page) => client.v1.bastions.$get(page),
      find: (client, name) => client.v1.bastions[":name"].$get(at({ name })),
    },
  ),
  images: kind(
    "image",
    imageSchema,
    byName,
    [
      { title: "NAME", value: (row) => row.name },
      { title: "KIND", value: (row) => row.kind },
      { title: "SIZE", value: (row) => formatDisk(row.size) },
      { title: "ADDED", value: (row) => formatTime(row.addedAt) },
      { title: "SHA256", wide: true, value: (row) => row.sha256 },
      { title: "FROM", wide: true, value: (row) => row.source },
    ],
    {
      list: (client, page) => client.v1.images.$get(page),
      find: (client, name) => client.v1.images[":name"].$get(at({ name })),
    },
  ),
  tokens: kind(
    "token",
    tokenView,
    ({ id }) => id,
    [
      { title: "ID", value: (row) => row.id },
      { title: "KIND", value: (row) => row.kind },
      { title: "STATE", value: (row) => row.state },
      { title: "USES LEFT", value: (row) => row.usesLeft ?? "any" },
      { title: "EXPIRES", value: (row) => formatTime(row.expiresAt) },
      { title: "FOR", wide: true, value: (row) => row.subject || row.scope.name || row.scope.mac },
      { title: "BY", wide: true, value: (row) => row.createdBy },
      { title: "DESCRIPTION", wide: true, value: (row) => row.description },
    ],
    {
      list: (client, page) => client.v1.tokens.$get(page),
      find: (client, name) => client.v1.tokens[":name"].$get(at({ name })),
    },
  ),
  users: kind(
    "user",
    userView,
    byName,
    [
      { title: "NAME", value: (row) => row.name },
      { title: "ROLES", value: (row) => row.roles.join(",") },
      { title: "GROUPS", value: (row) => row.groups.join(",") },
      { title: "CREATED", value: (row) => formatTime(row.createdAt) },
    ],
    {
      list: (client, page) => client.v1.users.$get(page),
      find: (client, name) => client.v1.users[":name"].$get(at({ name })),
    },
  ),
  groups: kind(
    "group",
    groupView,
    byName,
    [
      { title: "NAME", value: (row) => row.name },
      { title: "MEMBERS", value: (row) => row.members.join(",") },
    ],
    {
      list: (client, page) => client.v1.groups.$get(page),
      find: (client, name) => client.v1.groups[":name"].$get(at({ name })),
    },
  ),
  roles: kind(
    "role",
    roleView,
    byName,
    [
      { title: "NAME", value: (row) => row.name },
      {
        title: "GRANTS",
        value: (row) =>
          row.grants.map((grant) => `${grant.effect === "deny" ? "!" : ""}${grant.permission}`).join(","),
      },
      { title: "SUMMARY", value: (row) => row.summary },
    ],
    {
      list: (client, page) => client.v1.roles.$get(page),
      find: (client, name) => client.v1.roles[":name"].$get(at({ name })),
    },
  ),
};

/** `machines`, or `machine`. @throws `usage`. */
export function kindCalled(word: string): Kind {
  const found = Object.entries(kinds).find(([many, { one }]) => word === many || word === one);
  if (found) return found[1];
  const close = nearest(word, Object.keys(kinds));
  throw new AppError("usage", `there is nothing called '${word}'`, {
    hint: close === undefined ? `one of ${Object.keys(kinds).join(", ")}` : `did you mean '${close}'?`,
  });
}
