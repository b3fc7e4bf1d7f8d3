import { constants } from "node:os";
import type { z } from "zod";
import { serverView } from "../fleet/api.ts";
import { commandSchema } from "../fleet/protocol.ts";
import { pageOf } from "../http/page.ts";
import { readDuration } from "../platform/duration.ts";
import { AppError } from "../platform/errors.ts";
import { type Client, readList } from "./client.ts";
import { note, visible } from "./output.ts";
import { defineRemoteCommand, type Remote } from "./remote.ts";
import { ownOutput, type RemoteExit, runRemote, writeTo } from "./remote-command.ts";

/** Input sent and not taken by the command, in bytes; then ours waits. */
const inputWindow = 256 * 1024;
/** Hosts worked on at once. */
const parallel = 50;

export const exec = defineRemoteCommand({
  summary: "run a command on a host, or on all hosts of a label selector",
  example: "labctl exec server/node1 -- uname -a",
  takesRest: true,
  args: {
    target: { type: "positional", required: true, description: "server/NAME, or a selector such as env=dev" },
    tty: { type: "boolean", alias: "t", description: "give it a terminal (one host)" },
    stdin: { type: "boolean", alias: "i", description: "hand our input on (one host)" },
    env: { type: "string", description: "NAME=VALUE, as often as wanted", valueHint: "NAME=VALUE" },
    directory: { type: "string", alias: "C", description: "where to run it" },
    user: { type: "string", alias: "u", description: "whom to run it as" },
    timeout: { type: "string", description: "end it after, for example 30s", valueHint: "DURATION" },
  },
  run: async (args, remote) => {
    const { many, rest } = remote;
    if (rest.length === 0)
      throw new AppError("usage", "the command is missing", { hint: "labctl exec server/NAME -- uname -a" });
    const timeout = args.timeout === undefined ? undefined : readDuration(args.timeout);
    if (args.timeout !== undefined && timeout === undefined) {
      throw new AppError("usage", `--timeout '${args.timeout}' is not a duration`, {
        hint: "for example 30s or 10m",
      });
    }
    const command = commandSchema.safeParse({
      argv: rest,
      env: Object.fromEntries(many("env").map(splitOnce)),
      ...(args.directory !== undefined && { directory: args.directory }),
      ...(args.user !== undefined && { user: args.user }),
      ...(timeout !== undefined && { timeout }),
      stdin: args.stdin === true || args.tty === true,
      ...(args.tty === true && {
        terminal: { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 },
      }),
    });
    if (!command.success) {
      const issue = command.error.issues[0];
      throw new AppError("usage", `${issue?.path.join(".")}: ${issue?.message}`);
    }
    const names = await resolveServers(remote.client, args.target);
    const [first] = names;
    if (args.target.startsWith("server/") && first !== undefined) {
      process.exitCode = exitCode(await runOne(remote, first, command.data));
      return;
    }
    if (args.tty === true || args.stdin === true)
      throw new AppError("usage", "-t and -i are for one host: server/NAME");
    process.exitCode = await runMany(remote, names, command.data);
  },
});

const splitOnce = (text: string): [string, string] => {
  const at = text.indexOf("=");
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
};

/** `server/NAME` is that host; anything else selects by labels. @throws `not-found` when nothing is selected. */
export async function resolveServers(client: Client, target: string): Promise<string[]> {
  if (target.startsWith("server/")) return [target.slice("server/".length)];
  const selector = target.replace(/^label\s+/, "");
  const servers = await readList(
    ({ query }) => client.v1.servers.$get({ query: { ...query, selector } }),
    pageOf(serverView),
  );
  if (servers.length > 0) return servers.map((server) => server.name);
  throw new AppError("not-found", `no server is selected by '${target}'`, { hint: "labctl get servers" });
}

type Spec = z.output<typeof commandSchema>;

async function runOne(remote: Remote, server: string, spec: Spec): Promise<RemoteExit> {
  const raw = spec.terminal !== undefined && process.stdin.isTTY;
  const cleanUp: (() => void)[] = [];
  let untaken = 0;
  try {
    return await runRemote(
      await remote.open(server, "exec"),
      { kind: "run", spec },
      {
        ...ownOutput,
        inputTaken(bytes) {
          untaken -= bytes;
          if (untaken < inputWindow / 2) process.stdin.resume();
        },
      },
      (send) => {
        if (spec.stdin) {
          if (raw) process.stdin.setRawMode(true);
          const onData = (data: Buffer) => {
            untaken += data.length;
            if (untaken > inputWindow) process.stdin.pause();
            for (let at = 0; at < data.length; at += 16_384) {
              send({ kind: "input", data: data.subarray(at, at + 16_384).toString("base64"), end: false });
            }
          };
          const onEnd = () => send({ kind: "input", data: "", end: true });
          process.stdin.on("data", onData).on("end", onEnd);
          cleanUp.push(() => process.stdin.off("data", onData).off("end", onEnd).pause());
        }
        const onResize = () =>
          send({ kind: "resize", columns: process.stdout.columns, rows: process.stdout.rows });
        if (spec.terminal) process.stdout.on("resize", onResize);
        cleanUp.push(() => process.stdout.off("resize", onResize));
        // Ctrl-C ends the command there; a second one ends us.
        const onInterrupt = () => send({ kind: "signal", signal: "SIGINT" });
        process.once("SIGINT", onInterrupt);
        cleanUp.push(() => process.off("SIGINT", onInterrupt));
      },
    );
  } finally {
    if (raw) process.stdin.setRawMode(false);
    for (const undo of cleanUp) undo();
  }
}

/** Whole lines with the host's name before them; the exit code is 0 only when it is everywhere. */
async function runMany(remote: Remote, servers: readonly string[], spec: Spec): Promise<number> {
  const width = Math.max(...servers.map((name) => name.length));
  const failures: string[] = [];
  const waiting = [...servers];
  const work = async () => {
    for (let server = waiting.shift(); server !== undefined; server = waiting.shift()) {
      const prefix = `${server.padEnd(width)} | `;
      const lines = {
        stdout: createLines(prefix, process.stdout),
        stderr: createLines(prefix, process.stderr),
      };
      try {
        const exit = await runRemote(
          await remote.open(server, "exec"),
          { kind: "run", spec },
          { stdout: lines.stdout.add, stderr: lines.stderr.add },
        );
        if (exitCode(exit) !== 0) failures.push(`${server}: ${describe(exit)}`);
      } catch (error) {
        failures.push(`${server}: ${error instanceof Error ? error.message : String(error)}`);
      }
      lines.stdout.end();
      lines.stderr.end();
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, servers.length) }, work));
  note(
    `${servers.length - failures.length} of ${servers.length} succeeded${failures.length === 0 ? "" : "; failed:"}`,
  );
  for (const failure of failures.sort()) note(`  ${failure}`);
  return failures.length === 0 ? 0 : 7;
}

function createLines(prefix: string, to: NodeJS.WriteStream) {
  let rest = "";
  const decoder = new TextDecoder();
  return {
    add(data: Uint8Array) {
      const parts = (rest + decoder.decode(data, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      return parts.length === 0
        ? undefined
        : writeTo(to, parts.map((line) => `${prefix}${visible(line)}\n`).join(""));
    },
    end() {
      if (rest !== "") to.write(`${prefix}${visible(rest)}\n`);
    },
  };
}

const describe = ({ code, signal, reason }: RemoteExit) =>
  [code === null ? undefined : `exit code ${code}`, signal ?? undefined, reason]
    .filter((part) => part !== undefined)
    .join(", ");

/** As a shell has it: the command's own, 128 + n for a signal, 1 where it never got that far. */
function exitCode(exit: RemoteExit): number {
  if (exit.reason !== undefined) note(`labctl: ${exit.reason}`);
  if (exit.code !== null) return exit.code;
  const numbers: Record<string, number> = constants.signals;
  return exit.signal === null ? 1 : 128 + (numbers[exit.signal] ?? 0);
}
