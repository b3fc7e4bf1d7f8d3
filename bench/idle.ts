import { readdirSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startBenchBastion } from "./bastion.ts";
import type { Bench, BenchContext } from "./definition.ts";
import { createLab, type Lab } from "./lab.ts";
import { compare, type Round } from "./rounds.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

/**
 * Seconds after its start that a program is left alone before it is watched: what it compiles, it compiles then, and the
 * runtime looks for garbage each second until 30 have passed in which there was none.
 */
const settle = 45;

export const idle: Bench = {
  name: "idle",
  summary: "memory of a server nobody asks anything (proportional set size), and how often it wakes",
  unit: "MB",
  better: "lower",
  /** Seconds it is watched. */
  size: 60,
  quickSize: 20,
  targets: [
    { cases: /^(bastion|labd|agent)$/, of: "value", must: 90, aim: 60 },
    { cases: /wake-ups/, of: "value", must: 120 },
  ],
  async run(context, seconds) {
    const lab = await createLab(2);
    const rounds = context.quick ? 1 : 2;
    const watch = async (server: ServerProcess): Promise<Round> => {
      await Bun.sleep(settle * 1000);
      const before = sleeps(server.pid);
      const busy = server.cpuSeconds();
      await Bun.sleep(seconds * 1000);
      const woken = [...sleeps(server.pid)].reduce(
        (sum, [thread, now]) => sum + now - (before.get(thread) ?? 0),
        0,
      );
      return {
        value: proportionalBytes(server.pid) / 1e6,
        cpuSeconds: server.cpuSeconds() - busy,
        peakBytes: server.residentBytes(),
        more: { "wake-ups a minute": { value: (woken * 60) / seconds, unit: "wake-ups", better: "lower" } },
      };
    };
    const subject = (
      name: string,
      begin: () => Promise<{ server: ServerProcess; others: ServerProcess[] }>,
    ) => ({
      name,
      async round(number: number): Promise<Round> {
        // nothing warms up here
        if (number === 0) return { value: 0 };
        const { server, others } = await begin();
        try {
          return await watch(server);
        } finally {
          for (const each of [server, ...others]) await each.stop();
        }
      },
    });
    const alone = async (server: Promise<ServerProcess> | ServerProcess) => ({
      server: await server,
      others: [],
    });
    const matchbox = await context.goPeer("matchbox", "github.com/poseidon/matchbox", "v0.11.0");
    try {
      const bastion = subject("labctl", () => alone(startIdleBastion(context, lab)));
      const peer = matchbox && subject("matchbox", () => alone(startMatchbox(matchbox.path, context, lab)));
      const rows = await compare(context, "bastion", peer ? [bastion, peer] : [bastion], rounds);
      const labd = subject("labctl", () => alone(startLabd(context, lab).then(({ process }) => process)));
      rows.push(...(await compare(context, "labd", [labd], rounds)));
      const agent = subject("labctl", async () => {
        const plane = await startLabd(context, lab);
        return { server: await plane.startAgent(), others: [plane.process] };
      });
      rows.push(...(await compare(context, "agent", [agent], rounds)));
      return rows;
    } finally {
      await lab.remove();
    }
  },
};

const freshHome = async (context: BenchContext, name: string) => {
  const home = join(context.scratch, `${name}-${crypto.randomUUID()}`);
  await mkdir(home, { recursive: true });
  return home;
};

async function startIdleBastion(context: BenchContext, { server }: Lab): Promise<ServerProcess> {
  const nic = { interface: server.interface, address: server.addresses[0] ?? "" };
  const interfaces = { dhcp: "full", range: "10.99.1.0-10.99.1.255" };
  const home = await freshHome(context, "bastion");
  return (await startBenchBastion(context.labctl, server.namespace, home, nic, { interfaces })).process;
}

async function startMatchbox(path: string, context: BenchContext, { server }: Lab): Promise<ServerProcess> {
  const home = await freshHome(context, "matchbox");
  for (const folder of ["groups", "profiles", "assets"]) await mkdir(join(home, folder), { recursive: true });
  const flags = [`-address=${server.addresses[1]}:8080`, `-data-path=${home}`, `-assets-path=${home}/assets`];
  return startServer("matchbox", server.namespace, [path, ...flags]);
}

async function startLabd({ labctl, ...context }: BenchContext, { server }: Lab) {
  const home = await freshHome({ labctl, ...context }, "labd");
  const config = join(home, "config.yaml");
  const address = server.addresses[0] ?? "";
  const adminSocket = join(home, "labctl.sock");
  const labd = { listen: address, port: 8443, caKeyFile: join(home, "ca.key"), addresses: [address] };
  await Bun.write(join(home, "ca.key"), "5a".repeat(32));
  await Bun.write(config, JSON.stringify({ dataDir: join(home, "data"), adminSocket, labd }));
  const env = { HOME: home, LABCTL_SOCKET: adminSocket };
  const process = startServer("labd", server.namespace, [labctl, "labd", "run", "--config", config], env);
  const run = async (...words: string[]) => {
    const child = Bun.spawn(["ip", "netns", "exec", server.namespace, labctl, ...words], {
      env: { ...Bun.env, ...env },
      stdout: "pipe",
      stderr: "pipe",
    });
    const said = await new Response(child.stdout).text();
    return (await child.exited) === 0 ? said.trim() : undefined;
  };
  for (const end = Date.now() + 30_000; (await run("whoami")) === undefined; await Bun.sleep(100)) {
    if (Date.now() > end) throw new Error("labd does not answer");
  }
  return {
    process,
    async startAgent() {
      const token = await run("token", "create", "--uses", "1", "--name", "idle");
      const state = join(home, "agent");
      const joined = await run(
        "agent",
        "enroll",
        `${address}:8443`,
        "--token",
        token ?? "",
        "--state",
        state,
      );
      if (joined === undefined) throw new Error("the agent could not enrol");
      return startServer("agent", server.namespace, [labctl, "agent", "run", "--state", state], env);
    },
  };
}

/** What its pages cost, shared ones by the share. */
function proportionalBytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
  return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1]) * 1024;
}

/** Times each thread gave the processor up of itself: to go to sleep once is to wake once. */
function sleeps(pid: number): Map<string, number> {
  return new Map(
    readdirSync(`/proc/${pid}/task`).map((thread) => {
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1");
      return [thread, Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0)];
    }),
  );
}
