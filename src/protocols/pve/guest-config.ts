import { z } from "zod";
import { flag, integer, maybe, number, text, words } from "./wire.ts";

/** `local:9000/base-9000-disk-0.qcow2/101/vm-101-disk-0.qcow2,size=1G` */
export interface DiskSetting {
  /** `storage:volume`, or `none` and `cdrom` of an empty drive. */
  volume: string;
  storage: string | undefined;
  options: Readonly<Record<string, string>>;
  isCdrom: boolean;
}

/** `virtio=BC:24:11:76:A4:3B,bridge=vmbr0` */
export interface NetSetting {
  model: string | undefined;
  /** In lower case; absent until the guest was created. */
  mac: string | undefined;
  bridge: string | undefined;
  options: Readonly<Record<string, string>>;
}

/** `a=1,b=2` and one value without a key, as Proxmox's property strings are. */
export function parseProperties(spelled: string): {
  bare: string | undefined;
  named: Record<string, string>;
} {
  const named: Record<string, string> = {};
  let bare: string | undefined;
  for (const part of spelled.split(",")) {
    const cut = part.indexOf("=");
    if (cut < 0) bare ??= part;
    else named[part.slice(0, cut)] = part.slice(cut + 1);
  }
  return { bare, named };
}

export function parseDisk(spelled: string): DiskSetting {
  const { bare, named } = parseProperties(spelled);
  const { file, volume: lxcVolume, ...options } = named;
  const volume = bare ?? file ?? lxcVolume ?? "";
  const cut = volume.indexOf(":");
  return {
    volume,
    storage: cut < 0 ? undefined : volume.slice(0, cut),
    options,
    isCdrom: options.media === "cdrom",
  };
}

const macText = /^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$/;

export function parseNet(spelled: string): NetSetting {
  const { bare, named } = parseProperties(spelled);
  const model = Object.entries(named).find(([name, value]) => macText.test(value) && name !== "hwaddr");
  const mac = model?.[1] ?? named.hwaddr ?? named.macaddr;
  return {
    model: model?.[0] ?? bare ?? named.model,
    mac: mac?.toLowerCase(),
    bridge: named.bridge,
    options: named,
  };
}

const known = z.looseObject({
  digest: maybe(text),
  name: maybe(text),
  hostname: maybe(text),
  description: maybe(text),
  tags: maybe(words),
  cores: maybe(integer),
  sockets: maybe(integer),
  /** MiB; `current=128` from 8 on in property form. */
  memory: maybe(
    z.union([
      integer,
      text
        .transform((value) => parseProperties(value))
        .transform(({ bare, named }) => Number(named.current ?? bare)),
    ]),
  ),
  cpulimit: maybe(number),
  ostype: maybe(text),
  agent: maybe(text),
  onboot: maybe(flag),
  template: maybe(flag),
  protection: maybe(flag),
  unprivileged: maybe(flag),
  lock: maybe(text),
  snapstate: maybe(text),
  parent: maybe(text),
  boot: maybe(text),
  smbios1: maybe(text),
});
const knownNames = new Set(Object.keys(known.shape));
const diskName = /^(ide|sata|scsi|virtio|efidisk|tpmstate|mp)\d+$|^rootfs$/;

/** A guest's configuration: what the product works with, typed, and the rest as it came. */
export const guestConfig = known.transform((found) => {
  const disks: Record<string, DiskSetting> = {};
  const unused: Record<string, DiskSetting> = {};
  const nets: Record<string, NetSetting> = {};
  const rest: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(found)) {
    if (knownNames.has(name)) continue;
    if (typeof value !== "string") rest[name] = value;
    else if (diskName.test(name)) disks[name] = parseDisk(value);
    else if (/^unused\d+$/.test(name)) unused[name] = parseDisk(value);
    else if (/^net\d+$/.test(name)) nets[name] = parseNet(value);
    else rest[name] = value;
  }
  return {
    digest: found.digest,
    name: found.name ?? found.hostname,
    description: found.description,
    tags: found.tags ?? [],
    cores: found.cores,
    sockets: found.sockets,
    memoryMib: found.memory,
    cpulimit: found.cpulimit,
    ostype: found.ostype,
    /** Whether the guest agent is switched on in the configuration; not whether it answers. */
    agent: isAgentOn(found.agent),
    onboot: found.onboot ?? false,
    template: found.template ?? false,
    protection: found.protection ?? false,
    unprivileged: found.unprivileged,
    lock: found.lock,
    /** `prepare` or `delete`: a snapshot that did not come to its end. */
    snapstate: found.snapstate,
    /** The snapshot the guest stands on. */
    parent: found.parent,
    boot: found.boot,
    smbios1: found.smbios1,
    disks,
    unused,
    nets,
    rest,
  };
});

export type GuestConfig = z.infer<typeof guestConfig>;

function isAgentOn(spelled: string | undefined): boolean {
  if (spelled === undefined) return false;
  const { bare, named } = parseProperties(spelled);
  return ["1", "yes", "true", "on"].includes(named.enabled ?? bare ?? "");
}
