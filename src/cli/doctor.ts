import { existsSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { firmwareNames } from "../firmware/service.ts";
import { type Finding, healthDetail } from "../http/health.ts";
import { statusSchema } from "../http/status-routes.ts";
import { debianKeyring, lacksProof } from "../images/archive-signature.client.ts";
import type { DaemonConfig } from "../platform/config.ts";
import { toAppError } from "../platform/errors.ts";
import { dataDirectory, ramEnvironment } from "../roles/health-checks.ts";
import { createClient, read } from "./client.ts";
import { defineCommand, outputFlag } from "./define.ts";
import { playFirmware } from "./doctor-firmware.ts";
import { type Column, printRecords } from "./output.ts";
import { daemonConfigPath, loadDaemonConfig, outputFormat } from "./settings.ts";

const columns: Column<Finding>[] = [
  { title: "CHECK", value: (row) => row.check },
  { title: "RESULT", value: (row) => row.result },
  { title: "DETAIL", value: (row) => row.detail },
  { title: "NEXT", value: (row) => row.next },
];

export const doctor = defineCommand({
  summary: "check this host: what is missing, what is in the way",
  example: "labctl doctor",
  args: {
    config: { type: "string", description: "configuration file of the daemon", valueHint: "FILE" },
    "play-firmware": {
      type: "boolean",
      description: "boot a simulated machine over the network, step by step",
    },
    interface: {
      type: "string",
      description: "network card to play on; unless given, the first one configured",
      valueHint: "NAME",
    },
    firmware: { type: "enum", options: [...firmwareNames], description: "what to play", default: "uefi" },
    mac: {
      type: "string",
      description: "MAC to play; unless given, one marked as a simulation, whose lease is given back",
      valueHint: "MAC",
    },
    ...outputFlag,
  },
  run: async ({ config, output, ...play }) => {
    if (play["play-firmware"]) {
      const device = play.interface ?? loadDaemonConfig(config ?? daemonConfigPath()).interfaces[0]?.name;
      const options = { interface: device, firmware: play.firmware, mac: play.mac };
      return await playFirmware(options, outputFormat(output));
    }
    const findings = await examine(config ?? daemonConfigPath());
    printRecords(findings, columns, outputFormat(output));
    if (findings.some((finding) => finding.result === "fail")) process.exitCode = 1;
  },
});

async function examine(path: string): Promise<Finding[]> {
  let config: DaemonConfig;
  try {
    config = loadDaemonConfig(path);
  } catch (thrown) {
    const error = toAppError(thrown);
    return [
      {
        check: "configuration",
        result: "fail",
        detail: error.message,
        ...(error.hint && { next: error.hint }),
      },
    ];
  }
  const running = await isRunning(config);
  return [
    {
      check: "configuration",
      result: "ok",
      detail: existsSync(path) ? path : `${path} is not there: defaults hold`,
    },
    running
      ? { check: "appliance", result: "ok", detail: running }
      : {
          check: "appliance",
          result: "warn",
          detail: `nobody answers on ${config.adminSocket}`,
          next: "labctl init bastion standalone start",
        },
    ...(running
      ? await ownFindings(config)
      : [
          { check: "data directory", ...dataDirectory(config.dataDir) },
          ...interfaces(config),
          ...(await ports(config)),
          { check: "RAM environment", ...ramEnvironment(config.ramDir) },
        ]),
    debianSignature(config),
    ...tools(),
  ];
}

async function isRunning(config: DaemonConfig): Promise<string | undefined> {
  try {
    const status = await read(createClient(config.adminSocket).v1.status.$get(), statusSchema);
    return `version ${status.version}, pid ${status.pid}`;
  } catch {
    return undefined;
  }
}

/** What the running appliance finds of itself. */
async function ownFindings({ adminSocket }: DaemonConfig): Promise<Finding[]> {
  return (await read(createClient(adminSocket).health.detailed.$get(), healthDetail)).findings;
}

function interfaces(config: DaemonConfig): Finding[] {
  const present = networkInterfaces();
  if (config.interfaces.length === 0) {
    const names = Object.keys(present).filter((name) => name !== "lo");
    const next = `name one in the configuration (here: ${names.join(", ") || "none"})`;
    return [
      { check: "interfaces", result: "fail", detail: "no interface is configured: nothing is served", next },
    ];
  }
  return config.interfaces.map(({ name, address, dhcp }): Finding => {
    const check = `interface ${name}`;
    const addresses = (present[name] ?? [])
      .filter((each) => each.family === "IPv4")
      .map((each) => each.address);
    if (!(name in present))
      return { check, result: "fail", detail: "there is no such interface, or it is down", next: "ip link" };
    if (addresses.length === 0)
      return { check, result: "fail", detail: "it has no IPv4 address", next: `ip addr add … dev ${name}` };
    if (address !== undefined && !addresses.includes(address)) {
      return {
        check,
        result: "fail",
        detail: `it has ${addresses.join(", ")}, not ${address}`,
        next: "mend 'address'",
      };
    }
    return { check, result: "ok", detail: `${addresses.join(", ")}, dhcp ${dhcp}` };
  });
}

/** Tries each port the bastion wants; needs the same rights the bastion does. */
async function ports(config: DaemonConfig): Promise<Finding[]> {
  const wanted = [
    ...(config.interfaces.some(({ dhcp }) => dhcp !== "off") ? [67, 4011] : []),
    config.tftp.port,
  ].map((port) => ({ port, kind: "udp" as const }));
  const findings: Finding[] = [];
  for (const { port, kind } of [...wanted, { port: config.http.port, kind: "tcp" as const }]) {
    const check = `port ${port}/${kind}`;
    try {
      if (kind === "udp") (await Bun.udpSocket({ port })).close();
      else Bun.serve({ port, fetch: () => new Response() }).stop(true);
      findings.push({ check, result: "ok", detail: "free" });
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      findings.push({
        check,
        result: "fail",
        detail,
        next: `ss -lnp | grep ':${port} ' shows who holds it; below 1024, run as root`,
      });
    }
  }
  return findings;
}

function debianSignature({ install }: DaemonConfig): Finding {
  const check = "Debian's signature";
  const keyring = install.keyrings.debian ?? debianKeyring;
  const lacks = lacksProof(keyring);
  if (lacks === undefined) return { check, result: "ok", detail: `gpgv, ${keyring}` };
  return {
    check,
    result: "warn",
    detail: `${lacks}; labctl image pull debian-… proves installers with it`,
    next: "apt-get install gpgv debian-archive-keyring",
  };
}

/** Programs of the host that some commands call; absent ones are named before they are missed. */
function tools(): Finding[] {
  const wanted = [
    { tool: "mmdebstrap", purpose: "labctl image build" },
    { tool: "xorriso", purpose: "labctl image boot-iso" },
  ];
  return wanted.map(({ tool, purpose }): Finding => {
    const at = Bun.which(tool);
    return at
      ? { check: tool, result: "ok", detail: at }
      : {
          check: tool,
          result: "warn",
          detail: `not installed; ${purpose} needs it`,
          next: `apt-get install ${tool}`,
        };
  });
}
