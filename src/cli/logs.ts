import { logQuerySchema } from "../fleet/protocol.ts";
import { AppError } from "../platform/errors.ts";
import { defineRemoteCommand } from "./remote.ts";
import { ownOutput, runRemote } from "./remote-command.ts";

export const logs = defineRemoteCommand({
  summary: "log lines of a host: its journal, a unit, or a file",
  example: "labctl logs server/node1 --unit ssh -f",
  args: {
    target: { type: "positional", required: true, description: "server/NAME" },
    unit: { type: "string", alias: "u", description: "a systemd unit" },
    file: { type: "string", description: "a file instead of the journal" },
    follow: { type: "boolean", alias: "f", description: "go on with new lines" },
    since: { type: "string", description: "from this time on, for example -1h" },
    lines: { type: "string", alias: "n", default: "100", description: "how many lines to begin with" },
  },
  run: async (args, { open }) => {
    if (!args.target.startsWith("server/")) {
      throw new AppError("usage", `'${args.target}' is not a host`, {
        hint: "labctl logs server/NAME; installs: labctl provision logs",
      });
    }
    const query = logQuerySchema.safeParse({
      source:
        args.file === undefined ? { kind: "journal", unit: args.unit } : { kind: "file", path: args.file },
      follow: args.follow === true,
      since: args.since,
      lines: Number(args.lines),
    });
    if (!query.success) {
      const issue = query.error.issues[0];
      throw new AppError("usage", `${issue?.path.at(-1)?.toString() ?? "the query"}: ${issue?.message}`);
    }
    const exit = await runRemote(
      await open(args.target.slice("server/".length), "logs"),
      { kind: "read-logs", query: query.data },
      ownOutput,
      (send) => process.once("SIGINT", () => send({ kind: "signal", signal: "SIGINT" })),
    );
    process.exitCode = exit.code ?? 1;
  },
});
