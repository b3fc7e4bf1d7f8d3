import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openCpuAccount } from "./cpu-account.ts";

/** A server under measurement with all the processes it makes. */
export interface ServerProcess {
  /** CPU seconds so far, children that ended included (without control groups: those it waited for). */
  cpuSeconds(): number;
  /** Most memory seen so far: the whole of the first process, what is its own of each further one. */
  peakBytes(): number;
  /** The same, now. */
  residentBytes(): number;
  readonly pid: number;
  stop(): Promise<void>;
}

const ticksPerSecond = 100;
const sampleMs = 50;
const units = join(import.meta.dir, "../systemd");

/** What its unit sets, so that it runs as it is installed; a peer has none. */
function environmentOf(command: string[]): Record<string, string> {
  const role = ["bastion", "labd", "agent"].find((each) => command.includes(each));
  if (role === undefined) return {};
  const unit = readFileSync(join(units, `labctl-${role}.service`), "utf8");
  return Object.fromEntries(
    [...unit.matchAll(/^Environment=(\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );
}

export function startServer(
  name: string,
  namespace: string,
  command: string[],
  env: Record<string, string> = {},
  log = "/dev/null",
): ServerProcess {
  const account = openCpuAccount(`labctl-bench-${process.pid}-${name}`);
  const started = ["ip", "netns", "exec", namespace, ...command];
  const child = Bun.spawn(account?.within(started) ?? started, {
    env: { ...process.env, ...environmentOf(command), ...env },
    stdin: "ignore",
    stdout: Bun.file(log),
    stderr: Bun.file(log),
  });
  let peak = 0;
  const sampler = setInterval(() => {
    peak = Math.max(peak, memory(child.pid));
  }, sampleMs);
  return {
    cpuSeconds: () =>
      account?.seconds() ?? tree(child.pid).reduce((sum, pid) => sum + ticks(pid), 0) / ticksPerSecond,
    peakBytes: () => peak,
    residentBytes: () => memory(child.pid),
    pid: child.pid,
    async stop() {
      clearInterval(sampler);
      const all = tree(child.pid);
      for (const pid of all.reverse()) signal(pid, "SIGTERM");
      const killer = setTimeout(() => {
        for (const pid of all) signal(pid, "SIGKILL");
      }, 3000);
      await child.exited;
      clearTimeout(killer);
      account?.close();
    },
  };
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // gone already
  }
}

/** The process and all below it, parents first. */
function tree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const parent = Number(stat(Number(entry))[1]);
    if (Number.isFinite(parent)) children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** Fields of /proc/PID/stat from the third on: state, ppid, … */
function stat(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

function ticks(pid: number): number {
  const [utime, stime, cutime, cstime] = stat(pid).slice(11, 15).map(Number);
  return (utime ?? 0) + (stime ?? 0) + (cutime ?? 0) + (cstime ?? 0);
}

function memory(root: number): number {
  let total = 0;
  for (const [index, pid] of tree(root).entries()) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "latin1");
      const field = new RegExp(`^${index === 0 ? "VmRSS" : "RssAnon"}:\\s+(\\d+)`, "m").exec(status);
      total += Number(field?.[1] ?? 0) * 1024;
    } catch {
      // ended in between
    }
  }
  return total;
}
