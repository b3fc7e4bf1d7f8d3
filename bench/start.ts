import { existsSync } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { startBenchBastion, writeConfig } from "./bastion.ts";
import type { Bench, Measurement } from "./definition.ts";
import { createLab } from "./lab.ts";
import { compare, type Subject } from "./rounds.ts";
import { startServer } from "./server-process.ts";

/** Milliseconds a command takes from its start to its end. */
async function timed(command: string[], env: Record<string, string | undefined> = {}): Promise<number> {
  const began = performance.now();
  const child = Bun.spawn(command, {
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")} ended with ${child.exitCode}`);
  return performance.now() - began;
}

const command = (name: string, words: string[], env?: Record<string, string | undefined>): Subject => ({
  name,
  round: async () => ({ value: await timed(words, env) }),
});

export const start: Bench = {
  name: "start",
  summary: "milliseconds a command takes, and until a server answers",
  unit: "ms",
  better: "lower",
  /** Rounds of each command. */
  size: 40,
  quickSize: 10,
  targets: [
    { cases: /^--version$/, of: "value", must: 15, aim: 10 },
    { cases: /^provision list$/, of: "value", must: 60, aim: 35 },
    { cases: /^server ready$/, of: "value", must: 300, aim: 150 },
  ],
  async run(context, size) {
    const { labctl } = context;
    const matchbox = await context.goPeer("matchbox", "github.com/poseidon/matchbox", "v0.11.0");
    const dnsmasq = await context.peer("dnsmasq", "dnsmasq-base");
    const lab = await createLab(1);
    const [address = ""] = lab.server.addresses;
    const { namespace } = lab.server;
    const nic = { interface: lab.server.interface, address };
    const rows: Measurement[] = [];
    try {
      const versions = [command("labctl", [labctl, "--version"])];
      if (matchbox) versions.push(command("matchbox", [matchbox.path, "-version"]));
      if (dnsmasq) versions.push(command("dnsmasq", [dnsmasq.path, "--version"], dnsmasq.env));
      rows.push(...(await compare(context, "--version", versions, size)));

      const home = join(context.scratch, "running");
      const bastion = await startBenchBastion(labctl, namespace, home, nic);
      const list = [labctl, "provision", "list", "-o", "json"];
      const listing = command("labctl", list, { LABCTL_SOCKET: bastion.socket });
      rows.push(...(await compare(context, "provision list", [listing], size)));
      await bastion.process.stop();

      /** From the start of a process to when its socket, pid file or log says that it serves. */
      const readiness = (
        name: string,
        words: (directory: string) => Promise<string[]>,
        sign: string,
      ): Subject => ({
        name,
        async round() {
          const directory = await mkdtemp(join(context.scratch, `${name}-`));
          const started = await words(directory);
          const began = performance.now();
          const server = startServer(name, namespace, started, {}, join(directory, "log"));
          try {
            for (const end = began + 10_000; !existsSync(join(directory, sign)); await Bun.sleep(1)) {
              if (performance.now() > end) throw new Error(`${name} was not ready in 10 s`);
            }
            return { value: performance.now() - began };
          } finally {
            await server.stop();
          }
        },
      });
      const ready = [
        // its last act of starting is to open the admin socket
        readiness(
          "labctl",
          async (directory) => [labctl, "bastion", "run", "--config", await writeConfig(directory, nic)],
          "labctl.sock",
        ),
      ];
      if (dnsmasq) {
        const flags = ["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root"];
        ready.push(
          readiness(
            "dnsmasq",
            async (directory) => [
              dnsmasq.path,
              ...flags,
              `--pid-file=${join(directory, "pid")}`,
              `--interface=${nic.interface}`,
              `--dhcp-leasefile=${join(directory, "leases")}`,
              "--dhcp-range=10.99.1.0,10.99.1.255,1h",
            ],
            "pid",
          ),
        );
      }
      if (matchbox) ready.push(matchboxReady(matchbox.path, namespace, address, context.scratch));
      rows.push(...(await compare(context, "server ready", ready, Math.min(size, 10))));
      return rows;
    } finally {
      await lab.remove();
    }
  },
};

/** matchbox leaves no sign but its answers; a connection tried each millisecond finds it. */
function matchboxReady(path: string, namespace: string, address: string, scratch: string): Subject {
  return {
    name: "matchbox",
    async round() {
      const home = join(scratch, "matchbox");
      for (const folder of ["groups", "profiles", "assets"])
        await mkdir(join(home, folder), { recursive: true });
      const flags = [`-address=${address}:8080`, `-data-path=${home}`, `-assets-path=${home}/assets`];
      const probe = `for n in $(seq 5000); do (exec 3<>/dev/tcp/${address}/8080) 2>/dev/null && exit 0; sleep 0.001; done; exit 1`;
      const began = performance.now();
      const server = startServer("matchbox", namespace, [path, ...flags]);
      try {
        const probing = Bun.spawn(["ip", "netns", "exec", namespace, "bash", "-c", probe]);
        if ((await probing.exited) !== 0) throw new Error("matchbox was not ready");
        return { value: performance.now() - began };
      } finally {
        await server.stop();
      }
    },
  };
}
