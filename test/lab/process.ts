import { closeSync, openSync, readFileSync } from "node:fs";

/** The sbin directories hold what the lab is made with, and a bare environment may lack them. */
export const labPath = `${process.env.PATH ?? "/usr/bin:/bin"}:/usr/local/sbin:/usr/sbin:/sbin`;

export interface LabProcess {
  readonly pid: number;
  /** Where its stdout and stderr go. */
  readonly log: string;
  readonly exited: Promise<number>;
  running(): boolean;
  /** SIGTERM, and SIGKILL after `graceMs`. */
  stop(graceMs?: number): Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

export interface StartOptions {
  /** Network namespace, by the name `ip netns` knows; the host's when absent. */
  namespace?: string;
  log: string;
  /** Over this process's own; `undefined` takes a variable away. */
  env?: Environment;
  cwd?: string;
  /** Let it live on when this process ends. */
  outlive?: boolean;
}

export type Environment = Record<string, string | undefined>;
export type Starter = typeof start;

/** The command as it runs inside a network namespace; still one process, with the pid it was started with. */
export function inNamespace(namespace: string | undefined, command: string[]): string[] {
  return namespace === undefined ? command : ["nsenter", `--net=/run/netns/${namespace}`, "--", ...command];
}

/** Starts a process; unless it may outlive this one it ends with it, even when this one is killed. */
export function start(command: string[], options: StartOptions): LabProcess {
  const out = openSync(options.log, "a");
  const tie = options.outlive ? ["setsid"] : ["setpriv", "--pdeathsig", "KILL", "--"];
  const child = Bun.spawn([...tie, ...inNamespace(options.namespace, command)], {
    stdin: "ignore",
    stdout: out,
    stderr: out,
    env: { ...process.env, PATH: labPath, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  closeSync(out);
  const running = () => child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid,
    log: options.log,
    exited: child.exited,
    running,
    kill: (signal) => child.kill(signal),
    async stop(graceMs = 5000) {
      if (!running()) return;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
      await child.exited;
      clearTimeout(timer);
    },
  };
}

export interface Output {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end and gives its output, whatever its status. */
export async function tryRun(
  command: string[],
  options: { namespace?: string; env?: Environment; cwd?: string; timeoutMs?: number } = {},
): Promise<Output> {
  const child = Bun.spawn(inNamespace(options.namespace, command), {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, PATH: labPath, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    timeout: options.timeoutMs ?? 120_000,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { status, stdout, stderr };
}

/** As `tryRun`; a status other than 0 is an error that shows what the command said. */
export async function run(command: string[], options: Parameters<typeof tryRun>[1] = {}): Promise<string> {
  const output = await tryRun(command, options);
  if (output.status !== 0) {
    throw new Error(
      `${command.join(" ")}: exit ${output.status}\n${(output.stderr || output.stdout).trimEnd()}`,
    );
  }
  return output.stdout;
}

/** The last lines of a log, for error messages. */
export function tailOf(path: string, lines = 20): string {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch {
    return "";
  }
}
