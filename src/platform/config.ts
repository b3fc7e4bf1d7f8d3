import { z } from "zod";
import { duration } from "./duration.ts";
import { readMac } from "./mac.ts";

const ipv4 = z.ipv4("must be an IPv4 address such as 10.0.0.1");
const mac = z.string().transform((text, context) => {
  const read = readMac(text);
  if (read !== undefined) return read;
  context.issues.push({
    code: "custom",
    input: text,
    message: "must be a MAC address such as 52:54:00:12:34:56",
  });
  return z.NEVER;
});
const port = z.int().min(0).max(65535);
const label = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i, "must be a host name label");
const absolutePath = z.string().startsWith("/", "must be an absolute path");

const reservation = z.strictObject({ mac, ip: ipv4, hostname: label.optional() });

/** One network interface the bastion serves. */
const networkInterface = z.strictObject({
  name: z.string().regex(/^[\w.:-]{1,15}$/, "must be an interface name such as eth1"),
  /** `full` hands out addresses, `proxy` answers boot clients beside another DHCP server, `off` does neither. */
  dhcp: z.enum(["full", "proxy", "off"]).default("proxy"),
  /** Our address on it; found by itself when there is one. */
  address: ipv4.optional(),
  /** First and last address handed out: `10.0.0.100-10.0.0.200`. */
  range: z
    .string()
    .regex(/^\d+\.\d+\.\d+\.\d+-\d+\.\d+\.\d+\.\d+$/, "must be FIRST-LAST, such as 10.0.0.100-10.0.0.200")
    .optional(),
  /** Networks behind relays, by the address range each gets. */
  relayed: z
    .array(
      z.strictObject({
        subnet: z.string().regex(/^\d+\.\d+\.\d+\.\d+\/\d+$/, "must be a network such as 10.1.0.0/24"),
        range: z.string().regex(/^\d+\.\d+\.\d+\.\d+-\d+\.\d+\.\d+\.\d+$/, "must be FIRST-LAST"),
        gateway: ipv4.optional(),
      }),
    )
    .default([]),
  gateway: ipv4.optional(),
  dns: z.array(ipv4).default([]),
  domain: z.string().max(253).optional(),
  leaseTime: duration.default(3_600_000),
  reservations: z.array(reservation).default([]),
  /** Seconds of probing before a new address is offered: another host may hold it. */
  probe: z.boolean().default(true),
});

/** One Proxmox VE cluster; a single node is a cluster of one. */
const proxmoxCluster = z.strictObject({
  /** Its nodes' addresses, `pve1.lab` or `pve1.lab:8006`: the next is used when one is down. */
  nodes: z.array(z.string().min(1)).min(1, "must name at least one node"),
  /** One line, `user@realm!tokenid=uuid`; otherwise the credential `proxmox-NAME` or `LABCTL_PROXMOX_NAME_TOKEN`. */
  tokenFile: absolutePath.optional(),
  /** The CA that signed the nodes' certificates, for nodes that are not pinned with `labctl proxmox trust`. */
  caFile: absolutePath.optional(),
  /** The pool our guests live in. */
  pool: z
    .string()
    .regex(/^[\w./-]+$/)
    .default("labctl"),
  storages: z
    .array(z.string().regex(/^[A-Za-z][\w.-]*$/, "must be the name of a storage"))
    .default(["local"]),
  bridges: z.array(z.string().regex(/^[\w.-]{1,15}$/, "must be the name of a bridge")).default(["vmbr0"]),
  /** The vmid of the template our guests are cloned from. */
  template: z.int().min(100).max(999_999_999).optional(),
  /** What the token is to be enough for. */
  features: z
    .array(z.enum(["sandboxes", "containers", "backups", "iso", "migration"]))
    .default(["sandboxes"]),
});

const proxmox = z.strictObject({
  clusters: z.record(label, proxmoxCluster).default({}),
  /** The certificates that were confirmed; default `<dataDir>/proxmox-trust.json`. */
  trustFile: absolutePath.optional(),
});

export type ProxmoxConfig = z.output<typeof proxmox>;
export type ProxmoxClusterConfig = z.output<typeof proxmoxCluster>;

/** `/etc/labctl/config.yaml`. Every key has a default; unknown keys are refused. */
export const daemonConfigSchema = z.strictObject({
  dataDir: absolutePath.default("/var/lib/labctl"),
  /** Where this host's administrators reach whatever runs here: bastion, control plane, or both. */
  adminSocket: absolutePath.default("/run/labctl/labctl.sock"),
  logLevel: z.enum(["debug", "info", "warn", "error"]).default("info"),
  interfaces: z.array(networkInterface).default([]),
  http: z.strictObject({ port: port.default(8080) }).prefault({}),
  tftp: z
    .strictObject({
      port: port.default(69),
      /** Answer every transfer from the listening port, for networks that drop the others. */
      singlePort: z.boolean().default(false),
      maxTransfers: z.int().min(1).max(100_000).default(1024),
      maxPerClient: z.int().min(1).max(1000).default(16),
    })
    .prefault({}),
  boot: z
    .strictObject({
      /** How UEFI machines are started: iPXE, or the distribution's signed shim and GRUB (Secure Boot). */
      uefi: z.enum(["ipxe", "snponly", "grub"]).default("ipxe"),
      /** Send PXE discovery control 8, "just boot the file name" (option 43.6). */
      discoveryControl: z.boolean().default(true),
    })
    .prefault({}),
  discovery: z
    .strictObject({
      /** What a discovered machine does next. */
      after: z.enum(["wait", "poweroff"]).default("wait"),
    })
    .prefault({}),
  install: z
    .strictObject({
      /** Put into every install besides those named on the command line. */
      sshKeys: z.array(z.string()).default([]),
      /** Added to the kernel arguments of the RAM environment and the installers, e.g. `console=ttyS0`. */
      kernelArgs: z.string().max(500).default(""),
      timezone: z
        .string()
        .regex(/^[\w/+-]+$/)
        .default("UTC"),
      /** Where installers fetch packages, by OS family: `{debian: "http://…/debian", fedora: "http://…"}`. */
      mirrors: z.record(z.string(), z.url()).default({}),
      /** Whose keys sign a mirror, by distribution; `debian` alone is asked for, and Debian's own are the default. */
      keyrings: z.record(z.string(), absolutePath).default({}),
    })
    .prefault({}),
  proxmox: proxmox.prefault({}),
  /** The control plane: who may do what on which host. */
  labd: z
    .strictObject({
      listen: z.string().default("0.0.0.0"),
      port: port.default(8443),
      /** Names and addresses agents and users reach it by; they go into its certificate. */
      addresses: z.array(z.string().max(253)).default(["localhost", "127.0.0.1"]),
      /** Holds the key (32 bytes, hexadecimal) that seals the certificate authority. */
      caKeyFile: absolutePath.default("/etc/labctl/ca.key"),
      /** Between an agent's heartbeats; after three that are missing it counts as gone. */
      heartbeat: duration.default(10_000),
      /** Requests a minute of one identity or address. */
      rateLimits: z
        .strictObject({
          general: z.int().min(1).default(100),
          enrol: z.int().min(1).default(10),
          tokens: z.int().min(1).default(20),
          failed: z.int().min(1).default(10),
          uploads: z.int().min(1).default(6000),
        })
        .prefault({}),
    })
    .prefault({}),
  /** Where labd is elsewhere: this bastion tells it of its machines; `labctl bastion join` makes them known to each other. */
  uplink: z
    .strictObject({
      /** labd's address as installed machines reach it, `labd.example:8443`; default: as this bastion does. */
      advertise: z
        .string()
        .regex(/^[\w.-]+:\d+$/, "must be HOST:PORT")
        .optional(),
      /** Log lines kept while labd is away; beyond, the oldest go. */
      maxLogLines: z.int().min(1000).max(10_000_000).default(100_000),
    })
    .prefault({}),
  /** For a Prometheus inside the lab: `GET /metrics` without a token on this address, besides the sockets. */
  metrics: z
    .strictObject({
      listen: z
        .string()
        .regex(/^(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]):\d+$/i, "must be ADDRESS:PORT such as 10.0.0.1:9100")
        .optional(),
    })
    .prefault({}),
  /** Templates found here replace the embedded ones of the same path. */
  kickstartDir: absolutePath.default("/etc/labctl/kickstart"),
  /** Disk images and installers; default `<dataDir>/images`. */
  imageDir: absolutePath.optional(),
  /** The RAM environment, as `<ramDir>/<arch>/{vmlinuz,initrd.img}`. */
  ramDir: absolutePath.default("/usr/share/labctl/ram"),
});

export type DaemonConfig = z.output<typeof daemonConfigSchema>;
export type InterfaceConfig = DaemonConfig["interfaces"][number];

/** `~/.labctl/config.yaml`. */
export const clientConfigSchema = z.strictObject({
  /** The admin socket on this host, where it is not where the daemon's configuration puts it. */
  socket: absolutePath.optional(),
  output: z.enum(["table", "json", "yaml"]).default("table"),
});

export type ClientConfig = z.output<typeof clientConfigSchema>;
