import { join } from "node:path";
import type { BenchContext, Program } from "./definition.ts";

export interface WrkResult {
  perSecond: number;
  bytesPerSecond: number;
  p99Ms: number;
  failures: number;
  /** Of the first kind of failure. */
  reason: string;
}

export interface WrkWork {
  url: string;
  connections: number;
  seconds: number;
  /** Lua: a `request` function, where not each request is the same. */
  script?: string;
}

export const findWrk = (context: BenchContext): Promise<Program | undefined> =>
  context.peer("wrk", "wrk", "libluajit-5.1-2");

export async function runWrk(
  context: BenchContext,
  wrk: Program,
  namespace: string,
  work: WrkWork,
): Promise<WrkResult> {
  const script = join(context.scratch, "wrk.lua");
  if (work.script !== undefined) await Bun.write(script, work.script);
  const flags = ["-t1", `-c${work.connections}`, `-d${work.seconds}s`, "--latency", "--timeout", "30s"];
  const command = [wrk.path, ...flags, ...(work.script === undefined ? [] : ["-s", script]), work.url];
  const child = Bun.spawn(["ip", "netns", "exec", namespace, ...command], {
    env: { ...process.env, ...wrk.env },
    stdout: "pipe",
    stderr: "pipe",
  });
  return parseWrk(await new Response(child.stdout).text());
}

const scales: Record<string, number> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  B: 1,
  KB: 2 ** 10,
  MB: 2 ** 20,
  GB: 2 ** 30,
};

/** What wrk prints. @throws where it printed no result. */
export function parseWrk(text: string): WrkResult {
  const scaled = (found: RegExpExecArray | null) =>
    Number(found?.[1]) * (scales[found?.[2] ?? ""] ?? Number.NaN);
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
  if (!Number.isFinite(perSecond)) throw new Error(`wrk said: ${text.trim().slice(0, 200)}`);
  const refused = /Non-2xx or 3xx responses: (\d+)/.exec(text);
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  const broken = (errors ?? []).slice(1).reduce((sum, each) => sum + Number(each), 0);
  return {
    perSecond,
    bytesPerSecond: scaled(/Transfer\/sec:\s+([\d.]+)(GB|MB|KB|B)/.exec(text)),
    p99Ms: scaled(/99%\s+([\d.]+)(us|ms|s)/.exec(text)),
    failures: Number(refused?.[1] ?? 0) + broken,
    reason: refused?.[0] ?? errors?.[0] ?? "",
  };
}
