/**
 * Machines that send the lines of their installers, each over its own connection; one JSON line tells how that went.
 * Usage: log-client.ts JSON (see LogOrder).
 */
import { z } from "zod";
import { macOf } from "./seed.ts";
import { encodePost, openCaller, startInstall } from "./swarm.ts";

export const logOrder = z.strictObject({
  hostname: z.ipv4(),
  machines: z.int(),
  /** Lines in each request. */
  batch: z.int(),
  seconds: z.number(),
  /** Tokens of an earlier run, and the next line's number; empty: the installs are started first. */
  tokens: z.array(z.string()),
  seq: z.int(),
});
export type LogOrder = z.infer<typeof logOrder>;
export const logResult = z.object({
  lines: z.number(),
  seconds: z.number(),
  p99Ms: z.number(),
  failures: z.number(),
  reason: z.string(),
  tokens: z.array(z.string()),
  seq: z.number(),
});

const text = "anaconda: INFO: installing kernel-core-6.14.0-63.fc42.x86_64 (412/1187), 00:03:11 elapsed";

async function sendLines(order: LogOrder): Promise<z.infer<typeof logResult>> {
  const { hostname, machines, batch } = order;
  const callers = await Promise.all(
    Array.from({ length: machines }, () => openCaller({ hostname, port: 8080 })),
  );
  const tokens = [...order.tokens];
  if (tokens.length === 0) {
    for (const [index, caller] of callers.entries()) tokens.push(await startInstall(caller, macOf(index)));
  }
  const result = { lines: 0, failures: 0, reason: "" };
  const times: number[] = [];
  let highest = order.seq;
  const began = performance.now();
  const end = began + order.seconds * 1000;
  await Promise.all(
    callers.map(async (caller, index) => {
      let seq = order.seq;
      while (performance.now() < end) {
        const lines = Array.from({ length: batch }, () => ({ seq: seq++, text, source: "anaconda" }));
        const answer = await caller.ask(
          encodePost("/api/log", tokens[index] ?? "", JSON.stringify({ lines })),
        );
        times.push(answer.ms);
        if (answer.status === 200) result.lines += batch;
        else {
          result.failures++;
          result.reason ||= answer.body.slice(0, 160);
          break;
        }
      }
      highest = Math.max(highest, seq);
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  for (const caller of callers) caller.close();
  times.sort((a, b) => a - b);
  return { ...result, seconds, p99Ms: times[Math.floor(times.length * 0.99)] ?? 0, tokens, seq: highest };
}

if (import.meta.main) {
  console.log(JSON.stringify(await sendLines(logOrder.parse(JSON.parse(process.argv[2] ?? "{}")))));
}
