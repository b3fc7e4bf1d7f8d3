import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { startBenchBastion } from "./bastion.ts";
import type { Bench } from "./definition.ts";
import { type followOrder, followResult } from "./follow-client.ts";
import { createLab } from "./lab.ts";
import { lineReader } from "./line-reader.ts";
import { compare, type Round } from "./rounds.ts";
import { seedMachines } from "./seed.ts";

const installs = 50;

export const logFollow: Bench = {
  name: "log-follow",
  summary: "milliseconds from a line's POST to a follower, p99",
  unit: "ms",
  better: "lower",
  /** Followers. */
  size: 1000,
  quickSize: 200,
  targets: [
    { cases: /installs$/, of: "value", must: 50, aim: 10 },
    { cases: /memory a follower/, of: "value", must: 20 },
  ],
  async run(context, followers) {
    const lab = await createLab(1);
    const [hostname = ""] = lab.server.addresses;
    const nic = { interface: lab.server.interface, address: hostname };
    const round = async (): Promise<Round> => {
      const home = await mkdtemp(join(context.scratch, "bastion-"));
      await seedMachines(join(home, "data"), installs, true);
      const bastion = await startBenchBastion(context.labctl, lab.server.namespace, home, nic);
      try {
        const order: z.infer<typeof followOrder> = {
          ...{ hostname, socket: bastion.socket, installs, followers },
          // 100 lines a second in all: each goes to followers / installs of them
          ...{ lines: context.quick ? 5 : 20, everyMs: 500 },
        };
        const command = [process.execPath, join(import.meta.dir, "follow-client.ts"), JSON.stringify(order)];
        const child = Bun.spawn(["ip", "netns", "exec", lab.client.namespace, ...command], {
          stdin: "pipe",
          stdout: "pipe",
        });
        const said = lineReader(child.stdout);
        await said("started");
        const without = bastion.process.residentBytes();
        child.stdin.write("go\n");
        await child.stdin.flush();
        await said("listening");
        const each = (bastion.process.residentBytes() - without) / followers / 1000;
        const before = bastion.process.cpuSeconds();
        child.stdin.write("go\n");
        await child.stdin.flush();
        const result = followResult.parse(JSON.parse(await said("{")));
        return {
          value: result.p99Ms,
          cpuSeconds: bastion.process.cpuSeconds() - before,
          peakBytes: bastion.process.peakBytes(),
          failures: result.missing,
          note: result.missing > 0 ? `${result.missing} lines never came` : "",
          more: {
            p50: { value: result.p50Ms, unit: "ms", better: "lower" },
            "memory a follower": { value: each, unit: "kB", better: "lower" },
          },
        };
      } finally {
        await bastion.process.stop();
      }
    };
    try {
      return await compare(context, `${followers} followers of ${installs} installs`, [
        { name: "labctl", round },
      ]);
    } finally {
      await lab.remove();
    }
  },
};
