import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { answers, startBenchBastion } from "./bastion.ts";
import type { Bench, BenchContext } from "./definition.ts";
import { createLab, type Lab } from "./lab.ts";
import { startNginx } from "./nginx.ts";
import { compare, type Subject } from "./rounds.ts";
import { macOf, seedMachines } from "./seed.ts";
import { type ServerProcess, startServer } from "./server-process.ts";
import { findWrk, runWrk } from "./wrk.ts";

/** A server of boot scripts, and where it has that of a machine: a Lua expression over `mac`. */
interface Scripts {
  name: string;
  address: string;
  process: ServerProcess;
  path: string;
}

export const dispatch: Bench = {
  name: "dispatch",
  summary: "iPXE scripts a second for machines that are known, 64 connections",
  unit: "requests/s",
  better: "higher",
  /** Machines. */
  size: 10_000,
  quickSize: 1000,
  targets: [
    { cases: /machines$/, of: "ratio", beside: ["matchbox"], must: 2 },
    { cases: /machines$/, of: "ratio", beside: ["nginx"], aim: 0.5 },
  ],
  async run(context, size) {
    const wrk = await findWrk(context);
    if (wrk === undefined) return [];
    const lab = await createLab(3);
    const servers: Scripts[] = [];
    try {
      servers.push(await ours(context, lab, size));
      const matchbox = await startMatchbox(context, lab, size);
      if (matchbox) servers.push(matchbox);
      const nginx = await staticScript(context, lab);
      if (nginx) servers.push(nginx);
      const seconds = context.quick ? 2 : 8;
      const subjects = servers.map(({ name, address, process, path }): Subject => {
        const script = `math.randomseed(7)
request = function()
  local n = math.random(0, ${size - 1})
  local mac = string.format("52:54:00:%02x:%02x:%02x", math.floor(n / 65536), math.floor(n / 256) % 256, n % 256)
  return wrk.format("GET", ${path})
end`;
        return {
          name,
          async round() {
            const before = process.cpuSeconds();
            const url = `http://${address}:8080`;
            const work = { url, connections: 64, seconds, script };
            const result = await runWrk(context, wrk, lab.client.namespace, work);
            return {
              value: result.perSecond,
              cpuSeconds: process.cpuSeconds() - before,
              peakBytes: process.peakBytes(),
              failures: result.failures,
              note: result.reason,
              more: { p99: { value: result.p99Ms, unit: "ms", better: "lower" } },
            };
          },
        };
      });
      return await compare(context, `${size} machines`, subjects);
    } finally {
      for (const { process } of servers) await process.stop();
      await lab.remove();
    }
  },
};

async function ours(context: BenchContext, lab: Lab, machines: number): Promise<Scripts> {
  const home = join(context.scratch, "bastion");
  const address = lab.server.addresses[0] ?? "";
  await seedMachines(join(home, "data"), machines, false);
  const nic = { interface: lab.server.interface, address };
  const { process } = await startBenchBastion(context.labctl, lab.server.namespace, home, nic);
  const path = '"/dispatch?mac=" .. mac .. "&uuid=&serial=&platform=efi&arch=x86_64"';
  return { name: "labctl", address, process, path };
}

/** matchbox as its documents have it: a profile, and a group for each machine. */
async function startMatchbox(
  context: BenchContext,
  lab: Lab,
  machines: number,
): Promise<Scripts | undefined> {
  const program = await context.goPeer("matchbox", "github.com/poseidon/matchbox", "v0.11.0");
  if (program === undefined) return undefined;
  const address = lab.server.addresses[1] ?? "";
  const home = join(context.scratch, "matchbox");
  for (const folder of ["groups", "profiles", "assets"]) await mkdir(join(home, folder), { recursive: true });
  const boot = {
    kernel: "/assets/vmlinuz",
    initrd: ["/assets/initrd.img"],
    args: ["initrd=initrd.img", "quiet"],
  };
  await Bun.write(
    join(home, "profiles/discover.json"),
    JSON.stringify({ id: "discover", name: "discover", boot }),
  );
  for (let index = 0; index < machines; index++) {
    const group = {
      id: `m${index}`,
      name: `m${index}`,
      profile: "discover",
      selector: { mac: macOf(index) },
    };
    await Bun.write(join(home, `groups/m${index}.json`), JSON.stringify(group));
  }
  const flags = [
    `-address=${address}:8080`,
    `-data-path=${home}`,
    `-assets-path=${home}/assets`,
    "-log-level=error",
  ];
  const process = startServer("matchbox", lab.server.namespace, [program.path, ...flags]);
  await answers(lab.server.namespace, `http://${address}:8080/`);
  return { name: "matchbox", address, process, path: '"/ipxe?mac=" .. mac' };
}

/** The limit: a script that is the same for everyone, in a file. */
async function staticScript(context: BenchContext, lab: Lab): Promise<Scripts | undefined> {
  const address = lab.server.addresses[2] ?? "";
  const files = join(context.scratch, "www");
  await Bun.write(join(files, "boot.ipxe"), `#!ipxe\n${"# a script of usual length\n".repeat(36)}`);
  const process = await startNginx(context, lab.server.namespace, address, files);
  return process && { name: "nginx", address, process, path: '"/boot.ipxe"' };
}
