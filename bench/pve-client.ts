/**
 * Our Proxmox client beside proxmoxer (Debian's python3-proxmoxer) on the fake Proxmox VE: HTTPS, certificate
 * checked, connections kept.
 */
import { join } from "node:path";
import { z } from "zod";
import { createFakePve, type FakePve } from "../test/fake-pve/fake.ts";
import { tokens } from "../test/fake-pve/lab.ts";
import type { Bench, BenchContext, Measurement } from "./definition.ts";

const answer = z.object({ seconds: z.number(), cpuSeconds: z.number(), peakBytes: z.number() });
const subjects = {
  labctl: [process.execPath, join(import.meta.dir, "pve-calls.ts")],
  proxmoxer: ["/usr/bin/python3", join(import.meta.dir, "pve-calls.py")],
};

/** Runs every subject in turn, round by round, so that a busy minute falls on all of them alike. */
async function measure(
  context: BenchContext,
  work: { name: string; word: string; count: number },
  measureOf: (result: z.infer<typeof answer>, requests: number) => number,
): Promise<Measurement[]> {
  const fake = await createFakePve({ pace: 0, taskMs: 1_000, checkAnswers: false });
  const ca = join(context.scratch, "ca.pem");
  await Bun.write(ca, fake.ca);
  const rows = Object.keys(subjects).map(
    (subject): Measurement => ({
      case: work.name,
      subject,
      values: [],
      cpuSeconds: [],
      peakBytes: 0,
      failures: 0,
    }),
  );
  for (let round = 0; round <= context.rounds; round++) {
    for (const [index, command] of Object.values(subjects).entries()) {
      const row = rows[index];
      if (!row) continue;
      const result = await runOnce(
        fake,
        [...command, work.word, fake.nodes[0]?.address ?? "", ca, tokens.full, String(work.count)],
        context.log,
      );
      // The first round warms up.
      if (!result) row.failures++;
      else if (round > 0) {
        row.values.push(measureOf(result.told, result.requests));
        row.cpuSeconds.push(result.told.cpuSeconds);
        row.peakBytes = Math.max(row.peakBytes, result.told.peakBytes);
      }
    }
  }
  await fake.close();
  return rows;
}

async function runOnce(fake: FakePve, command: string[], log: (line: string) => void) {
  fake.world.tasks.all.length = 0;
  fake.seen.length = 0;
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) {
    log(err.trim());
    return undefined;
  }
  const warmUp = 200;
  return { told: answer.parse(JSON.parse(out)), requests: fake.seen.length - warmUp };
}

export const pveClient: Bench = {
  name: "pve-client",
  summary: "calls a second of the Proxmox client against the fake, beside proxmoxer",
  unit: "calls/s",
  better: "higher",
  // Enough for what the runtime compiles to be compiled, as it is in a server.
  size: 10_000,
  quickSize: 500,
  targets: [{ cases: /./, of: "ratio", must: 3, aim: 10 }],
  run: async (context: BenchContext, size: number): Promise<Measurement[]> => {
    const perSecond = (count: number) => (result: z.infer<typeof answer>) => count / result.seconds;
    return [
      ...(await measure(context, { name: "one after the other", word: "1", count: size }, perSecond(size))),
      ...(await measure(context, { name: "16 at once", word: "16", count: size }, perSecond(size))),
    ];
  },
};

export const pveWaits: Bench = {
  name: "pve-waits",
  summary: "requests that awaiting 1,000 tasks at once costs, the starts not counted",
  unit: "requests",
  better: "lower",
  size: 1_000,
  quickSize: 200,
  targets: [{ cases: /./, of: "ratio", must: 3, aim: 10 }],
  run: (context: BenchContext, size: number): Promise<Measurement[]> =>
    measure(context, { name: `${size} tasks`, word: "waits", count: size }, (_, requests) => requests - size),
};
