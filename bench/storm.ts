import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { $ } from "bun";
import type { z } from "zod";
import { startBenchBastion } from "./bastion.ts";
import type { Bench, BenchContext, Measurement } from "./definition.ts";
import { createLab, type Lab } from "./lab.ts";
import { lineReader } from "./line-reader.ts";
import { startNginx } from "./nginx.ts";
import { compare, type Round } from "./rounds.ts";
import { seedMachines } from "./seed.ts";
import { type ServerProcess, startServer } from "./server-process.ts";
import { median } from "./statistics.ts";
import { type stormOrder, stormResult } from "./storm-client.ts";

const windowMs = 10_000;
/** As many descriptors as we may have: a socket for each transfer and one for each connection. */
const manyFiles = ["sh", "-c", 'ulimit -n "$(ulimit -Hn)"; exec "$@"', "sh"];
/** Addresses that are leased; all of them are the clients' namespace's own. */
const pool = { network: "10.99.128.0/17", first: "10.99.128.1", last: "10.99.255.250" };

export const storm: Bench = {
  name: "storm",
  summary: "CPU milliseconds a machine costs its server, BIOS machines switched on within 10 s",
  unit: "ms",
  better: "lower",
  /** Machines of the largest storm; a tenth and a hundredth of it go before. */
  size: 10_000,
  quickSize: 100,
  targets: [
    { cases: /growth/, of: "value", must: 1.3 },
    { cases: /machines, (to the script|installed)$/, of: "peak", must: 400 },
    { cases: /p99 of/, of: "value", aim: 250 },
  ],
  async run(context, largest) {
    const lab = await createLab(1);
    const rows: Measurement[] = [];
    try {
      await prepare(lab);
      const sizes = [largest / 100, largest / 10, largest].filter((machines) => machines >= 100);
      for (const machines of sizes) {
        const script = { name: `${machines} machines, to the script` };
        const whole = { name: `${machines} machines, installed` };
        let installed: Round | undefined;
        const own = {
          name: "labctl",
          async round(number: number) {
            const round = await ours(context, lab, machines, number);
            installed = round.installed;
            return round.booted;
          },
        };
        const peer = {
          name: "dnsmasq + nginx",
          round: (number: number) => theirs(context, lab, machines, number),
        };
        // a storm is its own warm-up: every round counts
        rows.push(...(await compare(context, script.name, [counting(own), counting(peer)], 1)));
        const second = { name: "labctl", round: async () => installed ?? { value: Number.NaN, failures: 1 } };
        rows.push(...(await compare(context, whole.name, [second], 1)));
      }
      return [...rows, ...growth(rows, sizes)];
    } finally {
      await lab.remove();
    }
  },
};

/** Leaves the warm-up out. */
const counting = (subject: { name: string; round(number: number): Promise<Round> }) => ({
  ...subject,
  round: async (number: number) => (number === 0 ? { value: 0 } : subject.round(number)),
});

/** One namespace speaks for every machine that was leased an address. */
async function prepare({ client, server }: Lab): Promise<void> {
  await $`ip -n ${client.namespace} route add local ${pool.network} dev lo`.quiet();
  // one neighbour, not one a machine: a host's neighbour table holds 1024, those of all its namespaces together
  await $`ip -n ${server.namespace} route add ${pool.network} via ${client.address}`.quiet();
  await $`ip -n ${client.namespace} link set veth0 txqueuelen 10000`.quiet();
  for (const { namespace } of [client, server])
    await $`ip netns exec ${namespace} sysctl -q -w net.core.somaxconn=16384`.quiet();
}

async function ours(context: BenchContext, lab: Lab, machines: number, number: number) {
  const home = join(context.scratch, `bastion-${machines}-${number}`);
  await seedMachines(join(home, "data"), machines, true);
  for (const file of ["vmlinuz", "initrd.img"])
    await Bun.write(join(home, "images/installers/fedora-42", file), "x");
  const nic = { interface: lab.server.interface, address: lab.server.addresses[0] ?? "" };
  const interfaces = { dhcp: "full", range: `${pool.first}-${pool.last}`, probe: false };
  const bastion = await startBenchBastion(context.labctl, lab.server.namespace, home, nic, { interfaces });
  try {
    const [booted, installed] = await play(lab, machines, true, [bastion.process], context);
    return { booted, installed };
  } finally {
    await bastion.process.stop();
  }
}

/** dnsmasq hands out addresses and undionly.kpxe, nginx one script for everybody. */
async function theirs(context: BenchContext, lab: Lab, machines: number, number: number): Promise<Round> {
  const dnsmasq = await context.peer("dnsmasq", "dnsmasq-base");
  if (dnsmasq === undefined) return { value: Number.NaN, failures: 1, note: "dnsmasq could not be had" };
  const home = join(context.scratch, `peer-${machines}-${number}`);
  const [address = ""] = lab.server.addresses;
  await mkdir(join(home, "www"), { recursive: true });
  const program = Bun.file(join(import.meta.dir, "../ipxe/undionly.kpxe"));
  await Bun.write(join(home, "tftp/undionly.kpxe"), program);
  await Bun.write(join(home, "www/boot.ipxe"), "#!ipxe\nchain /script.ipxe\n");
  await Bun.write(join(home, "www/script.ipxe"), "#!ipxe\nkernel /vmlinuz inst.text\nboot\n");
  await Bun.write(join(home, "www/vmlinuz"), "x");
  const flags = [
    ...[
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--port=0",
      "--user=root",
      "--pid-file=",
      "--no-ping",
      "--log-facility=/dev/null",
    ],
    ...[`--interface=${lab.server.interface}`, "--dhcp-lease-max=100000", "--quiet-dhcp", "--quiet-tftp"],
    ...[`--dhcp-leasefile=${home}/leases`, `--dhcp-range=${pool.first},${pool.last},255.255.0.0,1h`],
    ...["--dhcp-match=set:ipxe,175", "--dhcp-boot=tag:!ipxe,undionly.kpxe", "--enable-tftp"],
    ...[
      `--dhcp-boot=tag:ipxe,http://${address}:8080/boot.ipxe`,
      `--tftp-root=${home}/tftp`,
      "--tftp-max=20000",
    ],
  ];
  const command = [...manyFiles, dnsmasq.path, ...flags];
  const servers = [startServer("dnsmasq", lab.server.namespace, command, dnsmasq.env)];
  try {
    const nginx = await startNginx(context, lab.server.namespace, address, join(home, "www"));
    if (nginx === undefined) return { value: Number.NaN, failures: 1, note: "nginx could not be had" };
    servers.push(nginx);
    const [booted] = await play(lab, machines, false, servers, context);
    return booted;
  } finally {
    for (const server of servers) await server.stop();
  }
}

async function play(
  lab: Lab,
  machines: number,
  installs: boolean,
  servers: readonly ServerProcess[],
  { quick }: BenchContext,
): Promise<[booted: Round, installed: Round]> {
  const order: z.infer<typeof stormOrder> = {
    ...{ interface: "veth0", hostname: lab.server.addresses[0] ?? "", machines, windowMs, installs },
    ...{ stages: 60, lines: 500 },
    // 170 installers start each second, and send some 3,000 reports a second once they all run
    startMs: quick ? 50 : machines * 6,
    paceMs: quick ? 50 : Math.max(100, machines / 2),
  };
  const program = [process.execPath, join(import.meta.dir, "storm-client.ts"), JSON.stringify(order)];
  const child = Bun.spawn(["ip", "netns", "exec", lab.client.namespace, ...manyFiles, ...program], {
    stdin: "pipe",
    stdout: "pipe",
    env: { ...process.env, BUN_CONFIG_MAX_HTTP_REQUESTS: "65536" },
  });
  const next = lineReader(child.stdout);
  const busy = () => servers.reduce((sum, server) => sum + server.cpuSeconds(), 0);
  const part = async (): Promise<Round> => {
    const before = busy();
    const { failures, reason, seconds, p99Ms } = stormResult.parse(JSON.parse(await next("{")));
    const cpuSeconds = busy() - before;
    const steps = Object.entries(p99Ms).map(
      ([step, value]) => [`p99 of ${step}`, { value, unit: "ms", better: "lower" }] as const,
    );
    return {
      value: (cpuSeconds * 1000) / machines,
      cpuSeconds,
      peakBytes: servers.reduce((sum, server) => sum + server.peakBytes(), 0),
      failures,
      note: reason,
      more: { ...Object.fromEntries(steps), duration: { value: seconds, unit: "s", better: "lower" } },
    };
  };
  try {
    const booted = await part();
    child.stdin.write("go\n");
    await child.stdin.flush();
    return [booted, installs ? await part() : booted];
  } finally {
    child.kill();
  }
}

/** How much dearer a machine of the largest storm is than one of the smallest. */
function growth(rows: readonly Measurement[], sizes: readonly number[]): Measurement[] {
  const [first, last] = [sizes[0], sizes.at(-1)];
  if (first === undefined || last === undefined || first === last) return [];
  return ["to the script", "installed"].map((part) => {
    const cost = (machines: number) =>
      median(
        rows.find((row) => row.case === `${machines} machines, ${part}` && row.subject === "labctl")
          ?.values ?? [],
      );
    const name = `growth of the cost of a machine, ${first} to ${last}, ${part}`;
    const values = [cost(last) / cost(first)];
    return {
      case: name,
      subject: "labctl",
      values,
      unit: "times",
      cpuSeconds: [],
      peakBytes: 0,
      failures: 0,
    };
  });
}
