import type { z } from "zod";
import { createdToken, tokenView } from "../access/api.ts";
import { pageOf } from "../http/page.ts";
import { readDuration } from "../platform/duration.ts";
import { AppError } from "../platform/errors.ts";
import { parseMac } from "../platform/mac.ts";
import { at, read, readList } from "./client.ts";
import { defineGroup, outputFlag } from "./define.ts";
import { type Column, formatData, formatTime, note, print, printRecords } from "./output.ts";
import { defineRemoteCommand } from "./remote.ts";
import { outputFormat } from "./settings.ts";

const columns: Column<z.output<typeof tokenView>>[] = [
  { title: "ID", value: (row) => row.id },
  { title: "KIND", value: (row) => row.kind },
  { title: "STATE", value: (row) => row.state },
  { title: "USES LEFT", value: (row) => row.usesLeft ?? "any" },
  { title: "EXPIRES", value: (row) => formatTime(row.expiresAt) },
  { title: "FOR", value: (row) => row.subject || row.scope.name || row.scope.mac },
  { title: "BY", value: (row) => row.createdBy },
  { title: "DESCRIPTION", value: (row) => row.description },
];

const create = defineRemoteCommand({
  summary: "a new token; it is shown once and kept nowhere",
  example: "labctl token create --uses 1 --expires 1h --label site=a",
  args: {
    kind: {
      type: "enum",
      options: ["join", "login", "api"],
      default: "join",
      description: "join enrols hosts, login a user, api is for programs",
    },
    uses: { type: "string", description: "how often it can be used; any number of times when left out" },
    expires: {
      type: "string",
      default: "24h",
      description: "how long it can be used",
      valueHint: "DURATION",
    },
    name: { type: "string", description: "join: the name the host gets" },
    mac: { type: "string", description: "join: only a host with this MAC address may use it" },
    label: {
      type: "string",
      description: "join: label of the host, as often as wanted",
      valueHint: "KEY=VALUE",
    },
    bastion: { type: "boolean", description: "join: it lets in a bastion elsewhere instead of a host" },
    user: { type: "string", description: "login: the user it is for" },
    role: { type: "string", description: "api: a role it holds, as often as wanted" },
    description: { type: "string", default: "", description: "for the list" },
    ...outputFlag,
  },
  run: async (args, { client, many }) => {
    const lifetime = readDuration(args.expires);
    if (lifetime === undefined)
      throw new AppError("usage", `--expires '${args.expires}' is not a duration`, {
        hint: "for example 1h or 7d",
      });
    const created = await read(
      client.v1.tokens.$post({
        json: {
          kind: args.kind,
          description: args.description,
          lifetime,
          roles: many("role"),
          ...(args.uses !== undefined && { uses: Number(args.uses) }),
          ...(args.user !== undefined && { user: args.user }),
          scope: {
            ...(args.bastion === true && { as: "bastion" as const }),
            labels: Object.fromEntries(many("label").map((text) => text.split("=", 2))),
            ...(args.name !== undefined && { name: args.name }),
            ...(args.mac !== undefined && { mac: parseMac(args.mac) }),
          },
        },
      }),
      createdToken,
    );
    const format = outputFormat(args.output);
    if (format !== "table") {
      print(formatData(created, format));
      return;
    }
    print(created.token);
    note(`token ${created.view.id}, until ${formatTime(created.view.expiresAt)}; it is not shown again`);
  },
});

const list = defineRemoteCommand({
  summary: "tokens, without their secrets",
  example: "labctl token list",
  args: outputFlag,
  run: async ({ output }, { client }) => {
    const tokens = await readList((page) => client.v1.tokens.$get(page), pageOf(tokenView));
    printRecords(tokens, columns, outputFormat(output));
  },
});

const revoke = defineRemoteCommand({
  summary: "make a token useless",
  example: "labctl token revoke 3fa94c01be",
  args: { id: { type: "positional", required: true, description: "from labctl token list" } },
  run: async ({ id }, { client }) => {
    await client.v1.tokens[":name"].$delete(at({ name: id }));
    print(`token ${id} is revoked`);
  },
});

export const token = defineGroup({
  summary: "tokens that enrol hosts, log users in, or let programs call",
  example: "labctl token create --uses 1",
  commands: {
    create: { summary: create.summary, load: async () => create },
    list: { summary: list.summary, load: async () => list },
    revoke: { summary: revoke.summary, load: async () => revoke },
  },
});
