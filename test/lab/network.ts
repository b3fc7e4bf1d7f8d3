import { readdirSync } from "node:fs";
import { run, tryRun } from "./process.ts";
import type { Scope } from "./scope.ts";

/**
 *   namespace `…-lan`                    namespace `…-srv`
 *   ┌──────────────────────────┐         ┌───────────────┐
 *   │ vm ── tap0 ─┐            │         │               │
 *   │ vm ── tap1 ─┤ br0 ─ srv ─┼── veth ─┼─ lab0 10.77.… │   the bastion runs here
 *   │             │            │         └───────────────┘
 *   │             └─ dhcp ─────┼── veth ─── namespace `…-dhcp`, only where a test wants a second server
 *   └──────────────────────────┘
 *
 * Nothing is connected to the host's network.
 */
export interface LabNetwork {
  /** Where bridge and taps are: virtual machines run here. */
  readonly lan: string;
  /** Where the bastion runs. */
  readonly server: string;
  /** The bastion's interface and address in `server`. */
  readonly serverInterface: string;
  readonly serverAddress: string;
  readonly subnet: string;
  readonly namespaces: readonly string[];
  /** An address of the subnet by its last octet. */
  address(host: number): string;
  /** A new tap on the bridge. */
  addTap(): Promise<string>;
  /** Another namespace on the same bridge with its own address, for a second server or a client. */
  addHost(name: string, host: number | undefined): Promise<LabHost>;
}

export interface LabHost {
  namespace: string;
  interface: string;
}

/** Followed by the pid they belong to; namespaces that outlive their maker are named differently. */
const prefix = "labctl-";

export async function createNetwork(scope: Scope, options: { outlive?: boolean } = {}): Promise<LabNetwork> {
  if (process.getuid?.() !== 0) throw new Error("network namespaces need root: run this as root");
  await removeStale();
  const base = `${options.outlive ? "labkept-" : prefix}${process.pid}-${Math.random().toString(36).slice(2, 6)}`;
  const namespaces: string[] = [];
  const address = (host: number) => `10.77.0.${host}`;
  let taps = 0;

  const addNamespace = async (name: string) => {
    const namespace = `${base}-${name}`;
    await run(["ip", "netns", "add", namespace]);
    scope.defer(async () => {
      await run(["ip", "netns", "delete", namespace]);
    });
    namespaces.push(namespace);
    await run(["ip", "-n", namespace, "link", "set", "lo", "up"]);
    return namespace;
  };

  const lan = await addNamespace("lan");
  const ip = (...args: string[]) => run(["ip", "-n", lan, ...args]);
  await ip("link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0");
  await ip("link", "set", "br0", "up");

  const addHost: LabNetwork["addHost"] = async (name, host) => {
    const namespace = await addNamespace(name);
    await ip("link", "add", name, "type", "veth", "peer", "name", "lab0", "netns", namespace);
    await ip("link", "set", name, "master", "br0", "up");
    await run(["ip", "-n", namespace, "link", "set", "lab0", "up"]);
    if (host !== undefined) {
      await run(["ip", "-n", namespace, "address", "add", `${address(host)}/24`, "dev", "lab0"]);
    }
    return { namespace, interface: "lab0" };
  };
  const server = await addHost("srv", 1);

  return {
    lan,
    server: server.namespace,
    serverInterface: server.interface,
    serverAddress: address(1),
    subnet: "10.77.0.0/24",
    namespaces,
    address,
    addHost,
    async addTap() {
      const tap = `tap${taps++}`;
      await ip("tuntap", "add", "dev", tap, "mode", "tap");
      await ip("link", "set", tap, "master", "br0", "up");
      return tap;
    },
  };
}

/** Namespaces of a harness that was killed before it could remove them. */
async function removeStale(): Promise<void> {
  let names: string[] = [];
  try {
    names = readdirSync("/run/netns");
  } catch {
    return;
  }
  for (const name of names) {
    const owner = name.startsWith(prefix) ? Number(name.slice(prefix.length).split("-")[0]) : Number.NaN;
    if (!Number.isInteger(owner) || alive(owner)) continue;
    await tryRun(["ip", "netns", "delete", name]);
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
