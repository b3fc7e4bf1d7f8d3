import { readDhcpInterface } from "../boot/dhcp-settings.ts";
import { firmwareNames } from "../firmware/service.ts";
import { type Finding, healthDetail } from "../http/health.ts";
import { statusSchema } from "../http/status-routes.ts";
import { debianKeyring, lacksProof } from "../images/archive-signature.client.ts";
import { isoPackages } from "../images/boot-iso.client.ts";
import type { DaemonConfig } from "../platform/config.ts";
import { type AppError, toAppError } from "../platform/errors.ts";
import { openInterfaceReader } from "../protocols/inet/interfaces.client.ts";
import { readIpv4 } from "../protocols/inet/ipv4.ts";
import { dataDirectory, ramEnvironment } from "../roles/health-checks.ts";
import { createClient, read } from "./client.ts";
import { defineCommand, outputFlag } from "./define.ts";
import { playFirmware } from "./doctor-firmware.ts";
import { type Column, printRecords } from "./output.ts";
import { daemonConfigPath, isThere, loadDaemonConfig, outputFormat } from "./settings.ts";

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
    return [failure("configuration", toAppError(thrown))];
  }
  const running = await isRunning(config);
  return [
    {
      check: "configuration",
      result: "ok",
      detail: isThere(path) ? path : `${path} is not there: defaults hold`,
    },
    running,
    ...(running.result === "ok"
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

const failure = (check: string, { message, hint }: AppError): Finding => ({
  check,
  result: "fail",
  detail: message,
  ...(hint && { next: hint }),
});

async function isRunning(config: DaemonConfig): Promise<Finding> {
  const check = "appliance";
  try {
    const status = await read(createClient(config.adminSocket).v1.status.$get(), statusSchema);
    return { check, result: "ok", detail: `version ${status.version}, pid ${status.pid}` };
  } catch (thrown) {
    const error = toAppError(thrown);
    if (error.code !== "unavailable") return failure(check, error);
    const detail = `nobody answers on ${config.adminSocket}`;
    return { check, result: "warn", detail, next: "labctl init bastion standalone start" };
  }
}

/** What the running appliance finds of itself. */
async function ownFindings({ adminSocket }: DaemonConfig): Promise<Finding[]> {
  return (await read(createClient(adminSocket).health.detailed.$get(), healthDetail)).findings;
}

function interfaces(config: DaemonConfig): Finding[] {
  const present = openInterfaceReader()();
  if (config.interfaces.length === 0) {
    const names = [...present.keys()].filter((name) => name !== "lo");
    const next = `name one in the configuration (here: ${names.join(", ") || "none"})`;
    return [
      { check: "interfaces", result: "fail", detail: "no interface is configured: nothing is served", next },
    ];
  }
  return config.interfaces.map((settings): Finding => {
    const { name, address, dhcp } = settings;
    const check = `interface ${name}`;
    const found = present.get(name);
    if (found === undefined)
      return { check, result: "fail", detail: "there is no such interface, or it is down", next: "ip link" };
    const addresses = found.addresses.map((each) => each.address);
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
    const own = found.addresses.find((each) => each.address === address) ?? found.addresses[0];
    const ip = readIpv4(own?.address ?? "");
    try {
      if (own !== undefined && ip !== undefined) readDhcpInterface(settings, ip, own.prefix);
    } catch (thrown) {
      return failure(check, toAppError(thrown));
    }
    const detail = `${addresses.join(", ")}, dhcp ${dhcp}`;
    return found.carrier
      ? { check, result: "ok", detail }
      : {
          check,
          result: "warn",
          detail: `${detail}; no carrier`,
          next: "is the cable in, and its other end on?",
        };
  });
}

/** Tries each port the daemons want; needs the same rights they do. */
async function ports({ interfaces, tftp, http, labd }: DaemonConfig): Promise<Finding[]> {
  const [full, proxy] = (["full", "proxy"] as const).map((mode) =>
    interfaces.some((each) => each.dhcp === mode),
  );
  const beside = { otherwise: "a proxy beside a DHCP server of this host answers on 4011 alone" };
  const wanted = [
    ...(full || proxy ? [{ port: 67, kind: "udp" as const, ...(!full && beside) }] : []),
    ...(full || proxy ? [{ port: 4011, kind: "udp" as const }] : []),
    { port: tftp.port, kind: "udp" as const },
    { port: http.port, kind: "tcp" as const },
    {
      port: labd.port,
      hostname: labd.listen,
      kind: "tcp" as const,
      otherwise: "standalone and labd do not start; a bastion whose labd is elsewhere does",
    },
  ];
  const findings: Finding[] = [];
  for (const { port, kind, otherwise, ...at } of wanted.map((each) => ({ otherwise: undefined, ...each }))) {
    const check = `port ${port}/${kind}`;
    try {
      if (kind === "udp") (await Bun.udpSocket({ port })).close();
      else Bun.serve({ port, ...at, fetch: () => new Response() }).stop(true);
      findings.push({ check, result: "ok", detail: "free" });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      findings.push({
        check,
        result: otherwise === undefined ? "fail" : "warn",
        detail: otherwise === undefined ? reason : `${reason}: ${otherwise}`,
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
    { tool: "mmdebstrap", purpose: "labctl image build", packages: "mmdebstrap" },
    { tool: "xorriso", purpose: "labctl image boot-iso", packages: isoPackages },
  ];
  return wanted.map(({ tool, purpose, packages }): Finding => {
    const at = Bun.which(tool);
    return at
      ? { check: tool, result: "ok", detail: at }
      : {
          check: tool,
          result: "warn",
          detail: `not installed; ${purpose} needs it`,
          next: `apt-get install ${packages}`,
        };
  });
}
