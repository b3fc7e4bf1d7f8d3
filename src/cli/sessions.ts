import { z } from "zod";
import { deviceRequest, sessionView } from "../access/api.ts";
import { pageOf } from "../http/page.ts";
import { at, read, readList } from "./client.ts";
import { outputFlag } from "./define.ts";
import { type Column, formatTime, note, print, printRecords, visible } from "./output.ts";
import { defineRemoteCommand } from "./remote.ts";
import { outputFormat } from "./settings.ts";

const columns: Column<z.output<typeof sessionView>>[] = [
  { title: "ID", value: (row) => row.id },
  { title: "WHO", value: (row) => row.subject },
  { title: "STATE", value: (row) => row.state },
  { title: "FROM", value: (row) => row.from },
  { title: "USED", value: (row) => formatTime(row.seenAt) },
  { title: "ENDS", value: (row) => formatTime(row.endsAt) },
  { title: "BROWSER", value: (row) => row.browser },
];

export const sessions = defineRemoteCommand({
  summary: "who is logged in to the web pages; your own sessions, or all for an administrator",
  example: "labctl auth sessions",
  args: outputFlag,
  run: async ({ output }, { client }) => {
    const items = await readList((page) => client.v1.sessions.$get(page), pageOf(sessionView));
    printRecords(items, columns, outputFormat(output));
  },
});

export const endSession = defineRemoteCommand({
  summary: "end a session of the web pages, at once",
  example: "labctl auth end-session 3fa94c01be",
  args: { id: { type: "positional", required: true, description: "from labctl auth sessions" } },
  run: async ({ id }, { client }) => {
    await client.v1.sessions[":name"].$delete(at({ name: id }));
    print(`session ${id} has ended`);
  },
});

const code = { type: "positional", required: true, description: "the code labctl login shows" } as const;

export const approve = defineRemoteCommand({
  summary: "let in the command line that shows this code",
  example: "labctl auth approve BCDF-GHJK --user alice",
  args: {
    code,
    user: { type: "string", description: "the user it becomes; yourself when left out" },
  },
  run: async (args, { client }) => {
    const waiting = client.v1.login.device[":name"];
    const named = at({ name: args.code });
    const { host, from } = await read(waiting.$get(named), deviceRequest);
    const { name } = await read(
      waiting.approve.$post({ ...named, json: args.user === undefined ? {} : { user: args.user } }),
      z.object({ name: z.string() }),
    );
    note(`it asked from ${from} and says its host is ${visible(host)}`);
    print(`let in as user/${name}`);
  },
});

export const deny = defineRemoteCommand({
  summary: "turn away the command line that shows this code",
  example: "labctl auth deny BCDF-GHJK",
  args: { code },
  run: async (args, { client }) => {
    await client.v1.login.device[":name"].deny.$post(at({ name: args.code }));
    print("it was turned away");
  },
});
