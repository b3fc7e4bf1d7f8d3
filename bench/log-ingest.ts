import { join } from "node:path";
import { startBenchBastion } from "./bastion.ts";
import type { Bench, BenchContext, Measurement } from "./definition.ts";
import { createLab } from "./lab.ts";
import { type LogOrder, logResult } from "./log-client.ts";
import { compare } from "./rounds.ts";
import { seedMachines } from "./seed.ts";
import type { ServerProcess } from "./server-process.ts";

export const logIngest: Bench = {
  name: "log-ingest",
  summary: "log lines a second accepted and on disk, beside SQLite alone in equal batches",
  unit: "lines/s",
  better: "higher",
  /** Machines that send. */
  size: 500,
  quickSize: 100,
  targets: [{ cases: /^batches of \d+$/, of: "ratio", must: 0.5, aim: 0.8 }],
  async run(context, machines) {
    const rows = [];
    for (const batch of [1, 20, 200]) rows.push(...(await measure(context, machines, batch)));
    return rows;
  },
};

/** With a bastion of its own: in another's rings the lines of the case before would be dropped at this one's cost. */
async function measure(context: BenchContext, machines: number, batch: number): Promise<Measurement[]> {
  const lab = await createLab(1);
  try {
    const home = join(context.scratch, `bastion-${batch}`);
    await seedMachines(join(home, "data"), machines, true);
    const [hostname = ""] = lab.server.addresses;
    const nic = { interface: lab.server.interface, address: hostname };
    const { process: server } = await startBenchBastion(context.labctl, lab.server.namespace, home, nic);
    try {
      return await measureOn(context, { server, hostname, client: lab.client.namespace }, machines, batch);
    } finally {
      await server.stop();
    }
  } finally {
    await lab.remove();
  }
}

async function measureOn(
  context: BenchContext,
  { server, hostname, client }: { server: ServerProcess; hostname: string; client: string },
  machines: number,
  batch: number,
): Promise<Measurement[]> {
  const seconds = context.quick ? 2 : 6;
  let tokens: string[] = [];
  let seq = 1;
  const ours = {
    name: "labctl",
    async round() {
      const before = server.cpuSeconds();
      const order: LogOrder = { hostname, machines, batch, seconds, tokens, seq };
      const command = [process.execPath, join(import.meta.dir, "log-client.ts"), JSON.stringify(order)];
      const child = Bun.spawn(["ip", "netns", "exec", client, ...command], { stdout: "pipe" });
      const result = logResult.parse(JSON.parse(await new Response(child.stdout).text()));
      ({ tokens, seq } = result);
      return {
        value: result.lines / result.seconds,
        cpuSeconds: server.cpuSeconds() - before,
        peakBytes: server.peakBytes(),
        failures: result.failures,
        note: result.reason,
        more: { "p99 of a request": { value: result.p99Ms, unit: "ms", better: "lower" as const } },
      };
    },
  };
  const limit = {
    name: "bun:sqlite",
    async round(number: number) {
      const file = join(context.scratch, `limit-${batch}-${number}.sqlite`);
      const words = [join(import.meta.dir, "log-inserts.ts"), file, String(batch), String(seconds)];
      const child = Bun.spawn([process.execPath, ...words], { stdout: "pipe" });
      return { value: Number(await new Response(child.stdout).text()) };
    },
  };
  return compare(context, `batches of ${batch}`, [ours, limit]);
}
