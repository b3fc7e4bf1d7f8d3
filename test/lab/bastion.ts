import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Lab, top } from "./lab.ts";
import { type Environment, type LabProcess, type Output, tailOf, tryRun } from "./process.ts";

/** The built executable; nothing in the lab runs from source. */
export const executable = join(top, "dist/labctl");
export const ramDirectory = join(top, "dist/ram");

/** A bastion running in a lab, driven as a user drives it: by its commands. */
export interface LabBastion {
  readonly socket: string;
  readonly configFile: string;
  readonly log: string;
  /** `http://ADDRESS:PORT` as the lab's machines see it. */
  readonly url: string;
  readonly process: LabProcess;
  /** `labctl ARGS…`; any status. */
  tryCli(args: string[], timeoutMs?: number): Promise<Output>;
  /** `labctl ARGS…`; a status other than 0 is an error that shows what it said. */
  cli(args: string[], timeoutMs?: number): Promise<string>;
  /** A command left running, its output in a file: `logs -f`. */
  startCli(args: string[], log: string): LabProcess;
  stop(): Promise<void>;
  /** Ends it as a power cut would, and starts it again on the same data. */
  killAndRestart(): Promise<void>;
}

export interface BastionOptions {
  dhcp?: "full" | "proxy" | "off";
  /** What runs the daemon in place of the built executable. */
  program?: string[];
  /** Without the control plane: what it installs joins nothing. */
  alone?: boolean;
  /** Where images are kept; shared between labs it spares building them again. */
  imageDirectory?: string;
  boot?: Record<string, unknown>;
  install?: Record<string, unknown>;
  discovery?: Record<string, unknown>;
}

export async function startBastion(lab: Lab, options: BastionOptions = {}): Promise<LabBastion> {
  if (!existsSync(executable)) throw new Error(`${executable} is not there: npm run build`);
  const home = join(lab.directory, "bastion");
  mkdirSync(home, { recursive: true });
  const { network } = lab;
  const dhcp = options.dhcp ?? "full";
  const socket = join(home, "bastion.sock");
  const configFile = join(home, "config.yaml");
  const log = join(home, "bastion.log");
  const config = {
    dataDir: join(home, "data"),
    adminSocket: socket,
    logLevel: "debug",
    ramDir: ramDirectory,
    kickstartDir: join(home, "kickstart"),
    imageDir: options.imageDirectory ?? join(home, "images"),
    interfaces: [
      {
        name: network.serverInterface,
        dhcp,
        address: network.serverAddress,
        ...(dhcp === "full" ? { range: `${network.address(100)}-${network.address(199)}` } : {}),
      },
    ],
    boot: options.boot ?? {},
    discovery: options.discovery ?? {},
    labd: { caKeyFile: join(home, "ca.key") },
    // The consoles of these machines are their serial ports.
    install: { kernelArgs: "console=tty0 console=ttyS0,115200", ...options.install },
  };
  // JSON is YAML.
  writeFileSync(configFile, `${JSON.stringify(config, null, 2)}\n`);

  writeFileSync(join(home, "ca.key"), "5a".repeat(32), { mode: 0o600 });
  const env = { ...cleanEnvironment(), LABCTL_SOCKET: socket, HOME: home };
  const tryCli = (args: string[], timeoutMs = 120_000) =>
    tryRun([executable, ...args], { env, timeoutMs, cwd: home });
  const role = options.alone === true ? "bastion" : "standalone";
  const boot = async () => {
    const daemon = lab.start([...(options.program ?? [executable]), role, "run", "--config", configFile], {
      namespace: network.server,
      log,
      env: cleanEnvironment(),
      cwd: home,
    });
    lab.scope.defer(() => daemon.stop());
    const end = Date.now() + 20_000;
    for (;;) {
      if (!daemon.running()) throw new Error(`the bastion ended while starting:\n${tailOf(log)}`);
      if (readFileSync(log, "utf8").includes("bastion is ready") && existsSync(socket)) return daemon;
      if (Date.now() > end) throw new Error(`the bastion was not ready within 20 s:\n${tailOf(log)}`);
      await Bun.sleep(50);
    }
  };
  let daemon = await boot();

  return {
    socket,
    configFile,
    log,
    url: `http://${network.serverAddress}:8080`,
    get process() {
      return daemon;
    },
    tryCli,
    async cli(args, timeoutMs) {
      const output = await tryCli(args, timeoutMs);
      if (output.status !== 0) {
        throw new Error(`labctl ${args.join(" ")}: exit ${output.status}\n${output.stderr || output.stdout}`);
      }
      return output.stdout;
    },
    startCli(args, file) {
      const child = lab.start([executable, ...args], { log: file, env, cwd: home });
      lab.scope.defer(() => child.stop());
      return child;
    },
    stop: () => daemon.stop(15_000),
    async killAndRestart() {
      daemon.kill("SIGKILL");
      await daemon.exited;
      writeFileSync(log, "");
      daemon = await boot();
    },
  };
}

/** Overrides meant for another labctl must not reach the one under test. */
function cleanEnvironment(): Environment {
  return Object.fromEntries(
    Object.keys(process.env)
      .filter((name) => name.startsWith("LABCTL_"))
      .map((name) => [name, undefined]),
  );
}
