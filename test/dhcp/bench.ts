import { test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNetwork, type LabNetwork } from "../lab/network.ts";
import { type LabProcess, run, start, tailOf } from "../lab/process.ts";
import { createScope, type Scope } from "../lab/scope.ts";

export interface Answer {
  from: string;
  type: string;
  yiaddr: string;
  siaddr: string;
  file?: string;
  vendorClass?: string;
  discoveryControl?: number;
  noProxyDhcp?: boolean;
}

export interface Server {
  /** What it told so far. */
  events(): { [key: string]: unknown }[];
  log: string;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

export interface DhcpBench {
  readonly scope: Scope;
  readonly network: LabNetwork;
  readonly directory: string;
  /**
   * Starts our server in the network's server namespace; again on the same database when called again.
   * With `capabilities` it has those alone.
   */
  serve(interfaces: object[], options?: { capabilities?: string[] }): Promise<Server>;
  /** Another program in a namespace, ended with the bench. */
  background(namespace: string, command: string[]): LabProcess;
  /** Sends one message and gives the answers. */
  ask(client: { namespace: string; interface: string }, mac: string, message: object): Promise<Answer[]>;
  /** A client's hook script that prints what it got. */
  hook: string;
}

const here = import.meta.dir;

/** Our server and other people's clients in namespaces of their own; skipped without root or a package. */
export function dhcpTest(name: string, needs: string[], body: (bench: DhcpBench) => Promise<void>): void {
  const missing = needs.find(
    (program) => Bun.which(program, { PATH: `${process.env.PATH}:/usr/sbin:/sbin` }) === null,
  );
  const reason =
    process.getuid?.() !== 0 ? "needs root for network namespaces" : missing && `${missing} is not installed`;
  if (reason) {
    test.skip(`${name} (${reason})`, () => {});
    return;
  }
  test(name, async () => {
    const scope = createScope();
    try {
      await body(await createBench(scope));
    } finally {
      await scope.close();
    }
  }, 60_000);
}

async function createBench(scope: Scope): Promise<DhcpBench> {
  const directory = mkdtempSync(join(tmpdir(), "labctl-dhcp-"));
  scope.defer(() => rmSync(directory, { recursive: true, force: true }));
  const network = await createNetwork(scope);
  const hook = join(directory, "hook");
  writeFileSync(
    hook,
    `#!/bin/sh
echo "event=$1 ip=$ip lease=$lease router=$router dns=$dns domain=$domain serverid=$serverid mask=$subnet"
case $1 in
  bound|renew) ip address replace "$ip/$mask" dev "$interface" ;;
  deconfig) : ;;
esac
`,
    { mode: 0o755 },
  );
  let servers = 0;
  return {
    scope,
    network,
    directory,
    hook,
    async serve(interfaces, { capabilities } = {}) {
      const config = join(directory, "config.json");
      writeFileSync(config, JSON.stringify({ interfaces }));
      const log = join(directory, `server-${servers++}.log`);
      const only = capabilities?.map((name) => `,+${name}`).join("");
      const limited = only === undefined ? [] : ["setpriv", "--bounding-set", `-all${only}`, "--"];
      const serve = [process.execPath, join(here, "serve.ts"), config, join(directory, "db.sqlite")];
      const child = start([...limited, ...serve], { namespace: network.server, log });
      const undo = scope.defer(() => child.stop());
      await until(() => {
        if (!child.running()) throw new Error(`the server ended:\n${tailOf(log)}`);
        return /^ready$/m.test(readFileSync(log, "utf8"));
      });
      return {
        log,
        events: () =>
          readFileSync(log, "utf8")
            .split("\n")
            .filter((line) => line.startsWith("{"))
            .map((line) => JSON.parse(line)),
        stop: undo,
        async kill() {
          child.kill("SIGKILL");
          await child.exited;
        },
      };
    },
    background(namespace, command) {
      const child = start(command, {
        namespace,
        log: join(directory, `${command[0]?.split("/").at(-1)}.log`),
      });
      scope.defer(() => child.stop(500));
      return child;
    },
    async ask(client, mac, message) {
      const command = [
        process.execPath,
        join(here, "ask.ts"),
        client.interface,
        mac,
        JSON.stringify(message),
      ];
      const output = await run(command, { namespace: client.namespace, timeoutMs: 10_000 });
      return output
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line));
    },
  };
}

/** Waits, at most half a minute, for something to become true. */
export async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 30_000; Date.now() < end; await Bun.sleep(20)) if (await done()) return;
  throw new Error("waited half a minute in vain");
}
