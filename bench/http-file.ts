import { chmod, link, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startBenchBastion } from "./bastion.ts";
import type { Bench } from "./definition.ts";
import { createLab } from "./lab.ts";
import { startNginx } from "./nginx.ts";
import { compare, type Subject } from "./rounds.ts";
import type { ServerProcess } from "./server-process.ts";
import { findWrk, runWrk } from "./wrk.ts";

export const httpFile: Bench = {
  name: "http-file",
  summary: "MB a second of one large file over HTTP",
  unit: "MB/s",
  better: "higher",
  /** MiB of the file. */
  size: 1024,
  quickSize: 256,
  targets: [
    { cases: /./, of: "ratio", must: 0.95, aim: 1 },
    { cases: /./, of: "peak", must: 200 },
  ],
  async run(context, size) {
    const wrk = await findWrk(context);
    if (wrk === undefined) return [];
    const home = join(context.scratch, "bastion");
    const files = join(home, "images/disks");
    await mkdir(files, { recursive: true });
    const bytes = size * 2 ** 20;
    await Bun.write(join(files, "file"), new Uint8Array(bytes));
    await mkdir(join(context.scratch, "www/image"), { recursive: true });
    await link(join(files, "file"), join(context.scratch, "www/image/file"));
    await chmod(context.scratch, 0o755);
    const lab = await createLab(2);
    const [own = "", other = ""] = lab.server.addresses;
    const servers: { name: string; address: string; process: ServerProcess }[] = [];
    try {
      const nic = { interface: lab.server.interface, address: own };
      const bastion = await startBenchBastion(context.labctl, lab.server.namespace, home, nic);
      servers.push({ name: "labctl", address: own, process: bastion.process });
      const nginx = await startNginx(context, lab.server.namespace, other, join(context.scratch, "www"));
      if (nginx) servers.push({ name: "nginx", address: other, process: nginx });
      const seconds = context.quick ? 2 : 8;
      // 1 MiB from anywhere in the file, as a download that resumes, or a virtual medium that seeks, asks
      const range = `math.randomseed(7)
request = function()
  local from = math.random(0, ${size - 2}) * 1048576
  return wrk.format("GET", nil, {["Range"] = "bytes=" .. from .. "-" .. (from + 1048575)})
end`;
      const works = [
        { name: "1 connection", connections: 1 },
        { name: "64 connections", connections: 64 },
        { name: "Range of 1 MiB, 16 connections", connections: 16, script: range },
      ];
      const rows = [];
      for (const { name, ...work } of works) {
        const subjects = servers.map(({ name, address, process }): Subject => {
          return {
            name,
            async round() {
              const before = process.cpuSeconds();
              const url = `http://${address}:8080/image/file`;
              const result = await runWrk(context, wrk, lab.client.namespace, { url, seconds, ...work });
              return {
                value: result.bytesPerSecond / 1e6,
                cpuSeconds: process.cpuSeconds() - before,
                peakBytes: process.peakBytes(),
                failures: result.failures,
                note: result.reason,
              };
            },
          };
        });
        rows.push(...(await compare(context, name, subjects)));
      }
      return rows;
    } finally {
      for (const { process } of servers) await process.stop();
      await lab.remove();
    }
  },
};
