import { z } from "zod";
import { deviceRequest, sessionView } from "../access/api.ts";
import { defineCommand, outputFlag } from "./define.ts";
import { connect } from "./labd-connection.ts";
import { type Column, formatTime, note, print, printRecords } from "./output.ts";
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

export const sessions = defineCommand({
  summary: "who is logged in to the web pages; your own sessions, or all for an administrator",
  example: "labctl auth sessions",
  args: outputFlag,
  run: async ({ output }) => {
    const { items } = await connect().get("/api/v1/sessions", z.object({ items: z.array(sessionView) }));
    printRecords(items, columns, outputFormat(output));
  },
});

export const endSession = defineCommand({
  summary: "end a session of the web pages, at once",
  example: "labctl auth end-session 3fa94c01be",
  args: { id: { type: "positional", required: true, description: "from labctl auth sessions" } },
  run: async ({ id }) => {
    await connect().delete(`/api/v1/sessions/${encodeURIComponent(id)}`);
    print(`session ${id} has ended`);
  },
});

const code = { type: "positional", required: true, description: "the code labctl login shows" } as const;
const pathOf = (text: string) => `/api/v1/login/device/${encodeURIComponent(text)}`;

export const approve = defineCommand({
  summary: "let in the command line that shows this code",
  example: "labctl auth approve BCDF-GHJK --user alice",
  args: {
    code,
    user: { type: "string", description: "the user it becomes; yourself when left out" },
  },
  run: async (args) => {
    const client = connect();
    const { host, from } = await client.get(pathOf(args.code), deviceRequest);
    const { name } = await client.post(
      `${pathOf(args.code)}/approve`,
      args.user === undefined ? {} : { user: args.user },
      z.object({ name: z.string() }),
    );
    note(`it asked from ${from} and says its host is ${host}`);
    print(`let in as user/${name}`);
  },
});

export const deny = defineCommand({
  summary: "turn away the command line that shows this code",
  example: "labctl auth deny BCDF-GHJK",
  args: { code },
  run: async (args) => {
    await connect().send("POST", `${pathOf(args.code)}/deny`, {});
    print("it was turned away");
  },
});
