import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { top } from "../lab/lab.ts";
import { tryRun } from "../lab/process.ts";

/** What `npm run demo -- --keep` left up, and how to take it down. */
const keptSchema = z.object({
  directory: z.string(),
  namespaces: z.array(z.string()),
  processes: z.array(z.object({ pid: z.number(), startTime: z.string() })),
});
export type Kept = z.output<typeof keptSchema>;

const file = join(top, "dist/demo.json");

export function rememberKept(directory: string, namespaces: string[], pids: number[]): void {
  const processes = pids.flatMap((pid) => {
    const startTime = startTimeOf(pid);
    return startTime === undefined ? [] : [{ pid, startTime }];
  });
  writeFileSync(file, `${JSON.stringify({ directory, namespaces, processes } satisfies Kept, null, 2)}\n`);
}

/** Takes down what was kept; false when there is nothing. */
export async function removeKept(): Promise<boolean> {
  if (!existsSync(file)) return false;
  const kept = keptSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  for (const { pid, startTime } of kept.processes) {
    // Another process may have got the number since.
    if (startTimeOf(pid) !== startTime) continue;
    process.kill(pid, "SIGTERM");
    for (let tries = 0; tries < 100 && startTimeOf(pid) === startTime; tries++) await Bun.sleep(100);
    if (startTimeOf(pid) === startTime) process.kill(pid, "SIGKILL");
  }
  for (const namespace of kept.namespaces) await tryRun(["ip", "netns", "delete", namespace]);
  rmSync(kept.directory, { recursive: true, force: true });
  rmSync(file);
  return true;
}

/** Field 22 of proc_pid_stat(5): with the pid it names one process for good. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
