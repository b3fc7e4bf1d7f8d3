import { logQuerySchema } from "../fleet/protocol.ts";
import { AppError } from "../platform/errors.ts";
import { outputFlag } from "./define.ts";
import { readMoment } from "./moment.ts";
import { readCount, showMachineLog } from "./provision-logs.ts";
import { defineRemoteCommand, type Remote } from "./remote.ts";
import { ownOutput, runRemote } from "./remote-command.ts";
import { outputFormat } from "./settings.ts";

const defaultLines = 100;

export const logs = defineRemoteCommand({
  summary: "log lines of a host, of a machine's install, of the daemon, or the audit as it is written",
  example: "labctl logs server/node1 --unit ssh -f",
  args: {
    target: {
      type: "positional",
      required: true,
      description: "server/NAME, machine/MAC or machine/NAME, bastion (the daemon that is asked), or audit",
    },
    unit: { type: "string", alias: "u", description: "server: a systemd unit" },
    file: { type: "string", description: "server: a file instead of the journal" },
    follow: { type: "boolean", alias: "f", description: "go on with what comes, until interrupted" },
    since: { type: "string", description: "from this time on: 1h ago as -1h, or 2026-01-31 12:00" },
    lines: {
      type: "string",
      alias: "n",
      description: `how many lines to begin with; ${defaultLines}, and of a machine all`,
    },
    ...outputFlag,
  },
  run: async (args, remote) => {
    const [kind = "", name = ""] = splitOnce(args.target);
    const count = readCount(args.lines);
    if (kind === "server" && name !== "") return hostLog(name, args, count ?? defaultLines, remote);
    const format = outputFormat(args.output);
    const follow = args.follow === true;
    const since = readMoment("--since", args.since) ?? 0;
    if (kind === "machine" && name !== "")
      return showMachineLog(remote.client, name, { follow, count, since, format });
    const wanted = { follow, count: count ?? defaultLines, since, format };
    if (args.target === "bastion") return (await import("./logs-daemon.ts")).showDaemonLog(remote, wanted);
    if (args.target === "audit") return (await import("./logs-audit.ts")).showAuditLog(remote.client, wanted);
    throw new AppError("usage", `'${args.target}' has no log`, {
      hint: "server/NAME, machine/NAME, bastion or audit",
    });
  },
});

async function hostLog(
  server: string,
  args: { unit?: string; file?: string; follow?: boolean; since?: string },
  lines: number,
  { open }: Remote,
): Promise<void> {
  if (args.file !== undefined && args.since !== undefined) {
    throw new AppError("usage", "--since is for the journal: lines of a file have no time all files share", {
      hint: "-n says how many lines to begin with",
    });
  }
  const query = logQuerySchema.safeParse({
    source:
      args.file === undefined ? { kind: "journal", unit: args.unit } : { kind: "file", path: args.file },
    follow: args.follow === true,
    since: args.since,
    lines,
  });
  if (!query.success) {
    const issue = query.error.issues[0];
    throw new AppError("usage", `${issue?.path.at(-1)?.toString() ?? "the query"}: ${issue?.message}`);
  }
  const exit = await runRemote(
    await open(server, "logs"),
    { kind: "read-logs", query: query.data },
    ownOutput,
    (send) => process.once("SIGINT", () => send({ kind: "signal", signal: "SIGINT" })),
  );
  process.exitCode = exit.code ?? 1;
}

function splitOnce(text: string): [string, string] {
  const at = text.indexOf("/");
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
