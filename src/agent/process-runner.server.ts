import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import type { Command } from "../fleet/protocol.ts";
import type { Clock } from "../platform/clock.ts";
import { type Account, findAccount, ownAccount } from "./account.client.ts";
import type { CommandListener, Runner, RunningCommand } from "./runner.ts";
import { openTerminalGate, type TerminalGate } from "./terminal.server.ts";

/** Milliseconds between SIGTERM and SIGKILL. */
const grace = 5_000;
const endOfInput = Buffer.from("\u0004");

/** Runs commands as children in process groups of their own, so that ending one ends all it started. */
export function createProcessRunner(clock: Clock, environment: Readonly<Record<string, string>>): Runner {
  const own = ownAccount();
  const start: Runner = (command, listener) => {
    const account = command.user === undefined ? undefined : findAccount(command.user);
    if (command.user !== undefined && account === undefined) {
      return refused(listener, `there is no user '${command.user}' on this host`);
    }
    if (account && account.uid !== own.uid && own.uid !== 0) {
      return refused(
        listener,
        `the agent runs as ${own.name} here and cannot run commands as ${account.name}`,
      );
    }
    const { HOME = "/" } = environment;
    const directory = command.directory ?? account?.home ?? HOME;
    if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory() && command.directory !== undefined) {
      return refused(listener, `there is no directory '${directory}' on this host`);
    }
    const prepared: Prepared = {
      argv: account && account.uid !== own.uid ? [...becoming(account), ...command.argv] : command.argv,
      directory: existsSync(directory) ? directory : "/",
      env: {
        ...environment,
        ...(account && {
          HOME: account.home,
          USER: account.name,
          LOGNAME: account.name,
          SHELL: account.shell,
        }),
        ...command.env,
      },
      account,
    };
    return command.terminal === undefined
      ? runPiped(command, prepared, listener, clock)
      : runInTerminal(command, prepared, command.terminal, listener, clock);
  };
  return (command, listener) => {
    try {
      return start(command, listener);
    } catch (error) {
      const [program = ""] = command.argv;
      return refused(listener, `cannot run ${program}: ${withoutValue(error)}`);
    }
  };
}

/** What was given may be a secret: an argument, a variable. */
const withoutValue = (error: unknown) =>
  (error instanceof Error ? error.message : String(error)).replace(/ Received .*/s, "");

interface Prepared {
  argv: readonly string[];
  env: Record<string, string>;
  directory: string;
  account: Account | undefined;
}

/** Gives root's rights up before the command starts, its groups included; spawn's own uid and gid would leave those. */
const becoming = ({ uid, gid }: Account) => [
  "/usr/bin/setpriv",
  `--reuid=${uid}`,
  `--regid=${gid}`,
  "--init-groups",
  "--",
];

function runPiped(
  command: Command,
  { argv, env, directory }: Prepared,
  listener: CommandListener,
  clock: Clock,
): RunningCommand {
  const [program = "", ...args] = argv;
  const child = spawn(program, args, {
    // A session of its own: its pid is the group's, and it has no terminal to be stopped by.
    detached: true,
    env,
    cwd: directory,
    stdio: [command.stdin ? "pipe" : "ignore", "pipe", "pipe"],
  });
  const ending = createEnding(clock, (signal) => signalGroup(child.pid, signal));
  const stopTimer =
    command.timeout === undefined
      ? () => {}
      : clock.after(command.timeout, () => ending.end("it ran out of time"));
  for (const [name, stream] of [
    ["stdout", child.stdout],
    ["stderr", child.stderr],
  ] as const) {
    stream?.on("data", (data: Uint8Array) => {
      if (!listener.output(name, data)) {
        child.stdout?.pause();
        child.stderr?.pause();
      }
    });
    stream?.on("error", () => {});
  }
  // A command that reads no more is no fault of its user's.
  child.stdin?.on("error", () => {});
  let done = false;
  const finish = (code: number | null, signal: string | null, reason?: string) => {
    if (done) return;
    done = true;
    stopTimer();
    const why = reason ?? ending.reason();
    ending.over();
    listener.exit({ code, signal, ...(why !== undefined && { reason: why }) });
  };
  child.on("error", (error) => finish(127, null, `cannot run ${program}: ${error.message}`));
  // 'close', not 'exit': output may still be on its way.
  child.on("close", (code, signal) => finish(code, signal));
  return {
    input(seq, data, end) {
      if (!child.stdin?.writable) return;
      child.stdin.write(data, () => listener.inputTaken(seq));
      if (end) child.stdin.end();
    },
    resize() {},
    signal: (name) => void signalGroup(child.pid, name),
    resume() {
      child.stdout?.resume();
      child.stderr?.resume();
    },
    cancel: (reason) => ending.end(reason),
  };
}

function runInTerminal(
  command: Command,
  { argv, env, directory, account }: Prepared,
  size: { columns: number; rows: number },
  listener: CommandListener,
  clock: Clock,
): RunningCommand {
  let gate: TerminalGate | undefined;
  let held = false;
  const child = Bun.spawn([...argv], {
    env: { TERM: "xterm-256color", ...env },
    cwd: directory,
    terminal: {
      cols: size.columns,
      rows: size.rows,
      data: (_, data) => {
        if (listener.output("stdout", data) || held) return;
        held = true;
        gate?.hold();
      },
    },
  });
  gate = openTerminalGate(child.pid, account?.uid);
  if (held) gate.hold();
  const ending = createEnding(clock, (signal) => {
    // As a line that breaks: a shell passes it on to its jobs, which are groups of their own, and ignores SIGTERM.
    if (signal === "SIGTERM") signalGroup(child.pid, "SIGHUP");
    return signalGroup(child.pid, signal);
  });
  const stopTimer =
    command.timeout === undefined
      ? () => {}
      : clock.after(command.timeout, () => ending.end("it ran out of time"));
  child.exited
    .then((code) => {
      stopTimer();
      const reason = ending.reason();
      ending.over();
      gate?.close();
      child.terminal?.close();
      listener.exit({
        code: child.signalCode === null ? code : null,
        signal: child.signalCode === null ? null : String(child.signalCode),
        ...(reason !== undefined && { reason }),
      });
    })
    .catch((error: unknown) => listener.exit({ code: 126, signal: null, reason: String(error) }));
  return {
    input(seq, data, end) {
      // A terminal has no end of input but the character for it (termios(3), VEOF).
      child.terminal?.write(end ? Buffer.concat([data, endOfInput]) : data);
      listener.inputTaken(seq);
    },
    resize: (columns, rows) => child.terminal?.resize(columns, rows),
    signal: (name) => void signalGroup(child.pid, name),
    resume() {
      held = false;
      gate?.release();
    },
    cancel(reason) {
      gate?.release();
      ending.end(reason);
    },
  };
}

/**
 * SIGTERM now, SIGKILL when the grace is over; the first reason is the one that is told. `send` says whether there was
 * anybody to send it to.
 */
function createEnding(clock: Clock, send: (signal: NodeJS.Signals | 0) => boolean) {
  let why: string | undefined;
  let cancelKill = () => {};
  return {
    reason: () => why,
    end(reason: string) {
      if (why !== undefined) return;
      why = reason;
      send("SIGTERM");
      cancelKill = clock.after(grace, () => send("SIGKILL"));
    },
    /** The command is over: others of its group may be left, and get their grace as well. */
    over() {
      if (why === undefined || !send(0)) cancelKill();
    },
  };
}

/** False: it ended by itself in the meantime. */
function signalGroup(pid: number | undefined, signal: NodeJS.Signals | 0): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}

function refused(listener: CommandListener, reason: string): RunningCommand {
  queueMicrotask(() => listener.exit({ code: 127, signal: null, reason }));
  return { input() {}, resize() {}, signal() {}, resume() {}, cancel() {} };
}
