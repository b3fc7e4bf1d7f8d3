import { AppError } from "../../platform/errors.ts";
import type { Params } from "./api.ts";

export interface CloudInit {
  user?: string;
  password?: string;
  /** Public keys, one line each. */
  sshKeys?: readonly string[];
  /** Of the first network card, then the second …: `dhcp`, or an address. */
  network?: readonly IpConfig[];
  nameserver?: string;
  searchdomain?: string;
  /** Run the package upgrade at first boot; PVE 8 and later know the switch. */
  upgrade?: boolean;
}

export type IpConfig = "dhcp" | { address: string; gateway?: string };

/** Cloud-init settings as the configuration takes them. The guest wants a cloud-init drive: see `cloudInitDrive`. */
export function cloudInitSettings(cloudInit: CloudInit): Params {
  const { user, password, sshKeys, network = [], nameserver, searchdomain, upgrade } = cloudInit;
  const addresses = network.map((config, index) => [`ipconfig${index}`, ipConfig(config)] as const);
  return {
    ciuser: user,
    cipassword: password,
    // The value itself is URL-encoded (and the form around it once more); `+` for a space is refused.
    sshkeys: sshKeys && encodeURIComponent(sshKeys.map(checkSshKey).join("\n")),
    nameserver,
    searchdomain,
    ciupgrade: upgrade,
    ...Object.fromEntries(addresses),
  };
}

function ipConfig(config: IpConfig): string {
  if (config === "dhcp") return "ip=dhcp";
  if (!config.address.includes("/")) {
    throw new AppError("invalid", `'${config.address}' lacks its prefix length`, {
      hint: "write 10.0.0.5/24",
    });
  }
  const version6 = config.address.includes(":");
  const gateway = config.gateway === undefined ? "" : `,${version6 ? "gw6" : "gw"}=${config.gateway}`;
  return `${version6 ? "ip6" : "ip"}=${config.address}${gateway}`;
}

function checkSshKey(key: string): string {
  const trimmed = key.trim();
  if (/^(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]{40,}( .*)?$/.test(trimmed)) return trimmed;
  throw new AppError("invalid", `'${trimmed.slice(0, 30)}…' is not a public SSH key`, {
    hint: "give the line of an id_ed25519.pub",
  });
}

/** The drive cloud-init reads: `{ ide2: "local:cloudinit" }`. Wants VM.Config.Cloudinit and VM.Config.CDROM. */
export const cloudInitDrive = (storage: string, drive = "ide2"): Params => ({
  [drive]: `${storage}:cloudinit`,
});

/**
 * The `smbios1` setting whose serial number sends cloud-init to a NoCloud server: no snippet, no SSH, no ISO.
 * `url` ends in `/`; cloud-init appends `meta-data` and `user-data`.
 */
export function nocloudSmbios(url: string, uuid?: string): string {
  if (!/^https?:\/\/[^\s;,]+\/$/.test(url)) {
    throw new AppError("invalid", `'${url}' is not an http URL that ends in '/'`);
  }
  const serial = btoa(`ds=nocloud;s=${url}`);
  return [...(uuid === undefined ? [] : [`uuid=${uuid}`]), `serial=${serial}`, "base64=1"].join(",");
}
