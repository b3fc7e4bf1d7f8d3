import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";

/** A control group that counts the CPU time of a server and of all it ever forked. */
export interface CpuAccount {
  /** `command` as it has to be started to be counted. */
  within(command: string[]): string[];
  seconds(): number;
  close(): void;
}

/** `undefined` where this host has neither kind of control group, or does not let us make one. */
export function openCpuAccount(name: string): CpuAccount | undefined {
  const first = existsSync("/sys/fs/cgroup/cpuacct");
  if (!first && !existsSync("/sys/fs/cgroup/cgroup.controllers")) return undefined;
  const group = join(first ? "/sys/fs/cgroup/cpuacct" : "/sys/fs/cgroup", name);
  try {
    mkdirSync(group);
  } catch {
    return undefined;
  }
  const usage = (): number => {
    if (first) return Number(readFileSync(join(group, "cpuacct.usage"), "latin1")) / 1e9;
    const text = readFileSync(join(group, "cpu.stat"), "latin1");
    return Number(/^usage_usec (\d+)/m.exec(text)?.[1] ?? Number.NaN) / 1e6;
  };
  return {
    within: (command) => ["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', group, ...command],
    seconds: usage,
    close() {
      try {
        rmdirSync(group);
      } catch {
        // a process that has not ended yet keeps it
      }
    },
  };
}
