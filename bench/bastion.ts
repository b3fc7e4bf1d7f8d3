import { join } from "node:path";
import { type ServerProcess, startServer } from "./server-process.ts";

export interface BenchBastion {
  process: ServerProcess;
  /** Its HTTP on the lab network. */
  url: string;
  socket: string;
  dataDir: string;
}

/** A configuration of the bastion for one address; what else is wanted over it. */
export async function writeConfig(
  home: string,
  nic: { interface: string; address: string },
  more: Record<string, unknown> = {},
): Promise<string> {
  const path = join(home, "labctl.yaml");
  const { interfaces, ...rest } = { interfaces: {}, ...more };
  const config = {
    dataDir: join(home, "data"),
    adminSocket: join(home, "labctl.sock"),
    logLevel: "warn",
    interfaces: [{ name: nic.interface, dhcp: "off", address: nic.address, ...interfaces }],
    tftp: { maxPerClient: 1000 },
    imageDir: join(home, "images"),
    // followers come by the thousand, and one user asks for lists all the time
    labd: { rateLimits: { general: 10_000_000, enrol: 10_000, tokens: 10_000, failed: 10_000 } },
    install: { mirrors: { fedora: "http://192.0.2.1/fedora" } },
    ...rest,
  };
  // JSON is YAML
  await Bun.write(path, JSON.stringify(config));
  return path;
}

/** Starts the bastion under test and waits until its HTTP answers. */
export async function startBenchBastion(
  labctl: string,
  namespace: string,
  home: string,
  nic: { interface: string; address: string },
  more: Record<string, unknown> = {},
): Promise<BenchBastion> {
  const config = await writeConfig(home, nic, more);
  const log = join(home, "bastion.log");
  const process = startServer("labctl", namespace, [labctl, "bastion", "run", "--config", config], {}, log);
  const url = `http://${nic.address}:8080`;
  await answers(namespace, `${url}/boot.ipxe`, log);
  return { process, url, socket: join(home, "labctl.sock"), dataDir: join(home, "data") };
}

/** Waits until something answers `url` from within `namespace`. */
export async function answers(namespace: string, url: string, log?: string): Promise<void> {
  const ask = ["ip", "netns", "exec", namespace, "curl", "-s", "-o", "/dev/null", "-m", "2", url];
  for (const end = Date.now() + 20_000; Date.now() < end; await Bun.sleep(20)) {
    if ((await Bun.spawn(ask).exited) === 0) return;
  }
  const said = log === undefined ? "" : (await Bun.file(log).text()).slice(-500);
  throw new Error(`nobody answers ${url}: ${said}`);
}
