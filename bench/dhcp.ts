import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeConfig } from "./bastion.ts";
import type { Bench, BenchContext } from "./definition.ts";
import { createLab, type Lab } from "./lab.ts";
import { compare, type Round, type Subject } from "./rounds.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

const range = { first: "10.99.1.0", last: "10.99.200.255" };
/** What is offered a second, one after the other, until more than 1 % is dropped. */
const ladder = [250, 500, 750, 1000, 1500, 2000, 3000, 4000, 6000, 8000, 12_000, 16_000];
/** Share of exchanges that may stay unanswered. */
const tolerated = 0.01;
/** Of each rate, until one holds: a moment in which the machine is busy elsewhere is no limit of the server's. */
const attempts = 2;

interface Contender {
  name: string;
  start(context: BenchContext, lab: Lab, home: string): Promise<ServerProcess | undefined>;
}

const contenders: Contender[] = [
  {
    name: "labctl",
    async start({ labctl }, { server }, home) {
      const nic = { interface: server.interface, address: server.addresses[0] ?? "" };
      // nobody else is on this wire: none of the servers asks it before an offer
      const interfaces = { dhcp: "full", range: `${range.first}-${range.last}`, probe: false };
      const config = await writeConfig(home, nic, { interfaces });
      return startServer("labctl", server.namespace, [labctl, "bastion", "run", "--config", config]);
    },
  },
  {
    name: "dnsmasq",
    async start(context, { server }, home) {
      const dnsmasq = await context.peer("dnsmasq", "dnsmasq-base");
      if (dnsmasq === undefined) return undefined;
      const options = [
        ...["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file="],
        // without a syslog it would try to reach one at each turn
        "--log-facility=/dev/null",
        ...[`--interface=${server.interface}`, "--no-ping", "--dhcp-lease-max=100000", "--quiet-dhcp"],
        ...[
          `--dhcp-leasefile=${join(home, "leases")}`,
          `--dhcp-range=${range.first},${range.last},255.255.0.0,1h`,
        ],
      ];
      return startServer("dnsmasq", server.namespace, [dnsmasq.path, ...options], dnsmasq.env);
    },
  },
  {
    name: "kea",
    async start(context, { server }, home) {
      const kea = await context.peer("kea-dhcp4", "kea-dhcp4-server", "kea-common");
      if (kea === undefined) return undefined;
      const config = {
        Dhcp4: {
          "interfaces-config": { interfaces: [server.interface], "dhcp-socket-type": "udp" },
          "lease-database": { type: "memfile", persist: true, name: join(home, "leases.csv") },
          "valid-lifetime": 3600,
          subnet4: [{ id: 1, subnet: "10.99.0.0/16", pools: [{ pool: `${range.first} - ${range.last}` }] }],
          loggers: [
            { name: "kea-dhcp4", severity: "ERROR", output_options: [{ output: join(home, "log") }] },
          ],
        },
      };
      await Bun.write(join(home, "kea.json"), JSON.stringify(config));
      const env = { ...kea.env, KEA_PIDFILE_DIR: home, KEA_LOCKFILE_DIR: home };
      return startServer("kea", server.namespace, [kea.path, "-c", join(home, "kea.json")], env);
    },
  },
];

export const dhcp: Bench = {
  name: "dhcp",
  summary: "four-message exchanges a second with less than 1 % dropped, leases on disk before the ACK",
  unit: "exchanges/s",
  better: "higher",
  /** Seconds at each rate. */
  size: 5,
  quickSize: 2,
  targets: [
    { cases: /./, of: "ratio", beside: ["dnsmasq"], must: 1 },
    { cases: /./, of: "ratio", beside: ["kea"], aim: 1 },
  ],
  async run(context, seconds) {
    const perfdhcp = await context.peer("perfdhcp", "kea-admin");
    if (perfdhcp === undefined) return [];
    const lab = await createLab(1);
    // One at a time: they all want port 67 of the one interface.
    const subjects = contenders.map(({ name, start }): Subject => {
      return {
        name,
        async round(number): Promise<Round> {
          let note = "";
          const run = async (rate: number, attempt: number) => {
            const home = join(context.scratch, `${name}-${number}-${rate}-${attempt}`);
            await mkdir(home, { recursive: true });
            const server = await start(context, lab, home);
            if (server === undefined) return undefined;
            try {
              await ready(lab, perfdhcp.path);
              const before = server.cpuSeconds();
              const result = await load(lab, perfdhcp.path, rate, seconds);
              return {
                ...result,
                cpuSeconds: server.cpuSeconds() - before,
                peakBytes: server.peakBytes(),
              };
            } finally {
              await server.stop();
              await rm(home, { recursive: true, force: true });
            }
          };
          let held: Awaited<ReturnType<typeof run>>;
          for (const rate of number === 0 ? ladder.slice(0, 1) : ladder) {
            let result: typeof held;
            for (let attempt = 0; attempt < attempts; attempt++) {
              result = await run(rate, attempt);
              if (result === undefined) return { value: Number.NaN, failures: 1, note: "could not be had" };
              if (result.dropped <= tolerated) break;
            }
            if (result === undefined || result.dropped > tolerated) {
              note = `${((result?.dropped ?? 1) * 100).toFixed(1)} % dropped at ${rate}/s`;
              break;
            }
            held = result;
          }
          const { perSecond = 0, cpuSeconds = 0, peakBytes = 0 } = held ?? {};
          return { value: perSecond, cpuSeconds, peakBytes, note };
        },
      };
    });
    try {
      return await compare(context, `${seconds} s at each rate`, subjects);
    } finally {
      await lab.remove();
    }
  },
};

async function perfdhcpOnce(lab: Lab, program: string, words: string[]): Promise<string> {
  // each exchange is another machine's, and perfdhcp plays the relay on the servers' own network
  const command = [
    program,
    "-4",
    "-l",
    "veth0",
    "-R",
    "50000",
    "-u",
    ...words,
    lab.server.addresses[0] ?? "",
  ];
  const child = Bun.spawn(["ip", "netns", "exec", lab.client.namespace, ...command], {
    stdout: "pipe",
    stderr: "pipe",
  });
  return await new Response(child.stdout).text();
}

/** Waits until the server answers one client. */
async function ready(lab: Lab, program: string): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    const said = await perfdhcpOnce(lab, program, ["-n", "3", "-r", "10", "-W", "200000"]);
    if (numbers(said, /^received packets: (\d+)$/gm)[0]) return;
  }
  throw new Error("the server does not answer perfdhcp");
}

async function load(lab: Lab, program: string, rate: number, seconds: number) {
  const words = ["-r", String(rate), "-p", String(seconds), "-W", "1000000"];
  const said = await perfdhcpOnce(lab, program, words);
  const [offered = 0, asked = 0] = numbers(said, /^sent packets: (\d+)$/gm);
  const [offers = 0, acknowledged = 0] = numbers(said, /^received packets: (\d+)$/gm);
  const dropped = offered === 0 ? 1 : 1 - Math.min(offers / offered, asked === 0 ? 0 : acknowledged / asked);
  return { perSecond: acknowledged / seconds, dropped };
}

const numbers = (text: string, what: RegExp) => [...text.matchAll(what)].map((found) => Number(found[1]));
