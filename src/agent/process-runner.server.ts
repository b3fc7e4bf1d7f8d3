import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Command } from "../fleet/protocol.ts";
import type { Clock } from "../platform/clock.ts";
import type { CommandListener, Runner, RunningCommand } from "./runner.ts";

/** Milliseconds between SIGTERM and SIGKILL. */
const grace = 5_000;

/** Runs commands as children in process groups of their own, so that ending one ends all it started. */
export function createProcessRunner(clock: Clock, environment: Readonly<Record<string, string>>): Runner {
  return (command, listener) => {
    const account = command.user === undefined ? undefined : findAccount(command.user);
    if (command.user !== undefined && account === undefined) {
      return refused(listener, `there is no user '${command.user}' on this host`);
    }
    const env = {
      ...environment,
      ...(account && { HOME: account.home, USER: command.user ?? "" }),
      ...command.env,
    };
    return command.terminal === undefined
      ? runPiped(command, listener, env, account, clock)
      : runInTerminal(command, command.terminal, listener, env, account, clock);
  };
}

interface Account {
  uid: number;
  gid: number;
  home: string;
}

function findAccount(name: string): Account | undefined {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((each) => each.startsWith(`${name}:`));
  const [, , uid, gid, , home] = line?.split(":") ?? [];
  return uid === undefined ? undefined : { uid: Number(uid), gid: Number(gid), home: home ?? "/" };
}

function runPiped(
  command: Command,
  listener: CommandListener,
  env: Record<string, string>,
  account: Account | undefined,
  clock: Clock,
): RunningCommand {
  const [program = "", ...args] = command.argv;
  const child = spawn(program, args, {
    // A session of its own: its pid is the group's, and it has no terminal to be stopped by.
    detached: true,
    env,
    cwd: command.directory ?? account?.home ?? "/",
    stdio: [command.stdin ? "pipe" : "ignore", "pipe", "pipe"],
    ...(account && { uid: account.uid, gid: account.gid }),
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
    signal: (name) => signalGroup(child.pid, name),
    resume() {
      child.stdout?.resume();
      child.stderr?.resume();
    },
    cancel: (reason) => ending.end(reason),
  };
}

function runInTerminal(
  command: Command,
  size: { columns: number; rows: number },
  listener: CommandListener,
  env: Record<string, string>,
  account: Account | undefined,
  clock: Clock,
): RunningCommand {
  const [program = ""] = command.argv;
  try {
    const child = Bun.spawn([...command.argv], {
      env: { TERM: "xterm-256color", ...env },
      cwd: command.directory ?? account?.home ?? "/",
      ...(account && { uid: account.uid, gid: account.gid }),
      // A terminal cannot be paused; what a person can watch is never more than the window takes.
      terminal: {
        cols: size.columns,
        rows: size.rows,
        data: (_, data) => void listener.output("stdout", data),
      },
    });
    const ending = createEnding(clock, (signal) => signalGroup(child.pid, signal));
    const stopTimer =
      command.timeout === undefined
        ? () => {}
        : clock.after(command.timeout, () => ending.end("it ran out of time"));
    child.exited
      .then((code) => {
        stopTimer();
        const reason = ending.reason();
        ending.over();
        child.terminal?.close();
        listener.exit({
          code: child.signalCode === null ? code : null,
          signal: child.signalCode === null ? null : String(child.signalCode),
          ...(reason !== undefined && { reason }),
        });
      })
      .catch((error: unknown) => listener.exit({ code: 126, signal: null, reason: String(error) }));
    return {
      input(seq, data) {
        child.terminal?.write(data);
        listener.inputTaken(seq);
      },
      resize: (columns, rows) => child.terminal?.resize(columns, rows),
      signal: (name) => signalGroup(child.pid, name),
      resume() {},
      cancel: (reason) => ending.end(reason),
    };
  } catch (error) {
    return refused(
      listener,
      `cannot run ${program}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** SIGTERM now, SIGKILL when the grace is over; the first reason is the one that is told. */
function createEnding(clock: Clock, send: (signal: NodeJS.Signals) => void) {
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
    over: () => cancelKill(),
  };
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It ended by itself in the meantime.
  }
}

function refused(listener: CommandListener, reason: string): RunningCommand {
  queueMicrotask(() => listener.exit({ code: 127, signal: null, reason }));
  return { input() {}, resize() {}, signal() {}, resume() {}, cancel() {} };
}
