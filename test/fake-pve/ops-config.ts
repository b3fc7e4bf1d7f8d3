import { badParams, denied, refuse } from "./failure.ts";
import { containerSettings, digest, skiplock, vmSettings } from "./guest-settings.ts";
import { type Call, nothing, type Operation, readProperties, upid, writeProperties } from "./operation.ts";
import { boolean, configId, integer, node, number, required, storageId, string, vmid } from "./params.ts";
import type { Config, Guest } from "./world.ts";

const anyVmid = required(vmid());
const gib = 1024 ** 3;
const diskKey = /^(ide|sata|scsi|virtio|efidisk|mp)\d+$|^rootfs$/;
export const isDisk = (key: string) => diskKey.test(key);

/** Which privilege on the guest a setting wants; the first that fits. */
const privileges: [RegExp, string[]][] = [
  [/^(cores|sockets|cpu|cpulimit|cpuunits|vcpus|numa)$/, ["VM.Config.CPU"]],
  [/^(memory|balloon|swap)$/, ["VM.Config.Memory"]],
  [/^(net\d+|nameserver|searchdomain)$/, ["VM.Config.Network"]],
  [/^(ipconfig\d+|ci\w+|sshkeys)$/, ["VM.Config.Cloudinit", "VM.Config.Network"]],
  [/^(serial\d+|smbios1|vga|scsihw|machine|bios|tablet|hostname)$/, ["VM.Config.HWType"]],
  [/^(template)$/, ["VM.Allocate"]],
];

export function neededFor(key: string, value: string): string[][] {
  if (key === "hostname") return [["VM.Config.Network"]];
  if (isDisk(key) || /^unused\d+$/.test(key)) {
    if (/:cloudinit/.test(value)) return [["VM.Config.Cloudinit"], ["VM.Config.CDROM"]];
    return /media=cdrom|^none|^cdrom/.test(value) ? [["VM.Config.CDROM"]] : [["VM.Config.Disk"]];
  }
  return [privileges.find(([pattern]) => pattern.test(key))?.[1] ?? ["VM.Config.Options"]];
}

/** Privileges wanted of the caller for these settings, and their storages and bridges. */
export function checkStorages(call: Call, settings: Config): void {
  for (const [key, value] of Object.entries(settings)) {
    if (/^net\d+$/.test(key)) {
      const { bridge } = readProperties(String(value)).named;
      if (bridge !== undefined) call.demandBridge(bridge);
    }
    const { bare } = readProperties(String(value));
    if (!isDisk(key) || !bare.includes(":")) continue;
    const [storage = "", volume = ""] = bare.split(":");
    call.world.storage(storage);
    if (/^\d+(\.\d+)?$/.test(volume)) call.demand(`/storage/${storage}`, "Datastore.AllocateSpace");
  }
}

export function checkPrivileges(
  call: Call,
  path: string,
  settings: Config,
  only: (key: string) => boolean,
): void {
  for (const [key, value] of Object.entries(settings)) {
    if (!only(key)) continue;
    for (const any of neededFor(key, String(value))) {
      if (call.can(path, ...any)) continue;
      const pool = call.maybe("pool");
      if (pool === undefined || key === "tags" || !call.can(`/pool/${pool}`, ...any)) throw denied(path, any);
    }
  }
}

const reserved = new Set([
  "node",
  "vmid",
  "delete",
  "revert",
  "digest",
  "skiplock",
  "force",
  "background_delay",
  "pool",
  "storage",
  "start",
  "archive",
  "restore",
  "ostemplate",
  "unique",
  "bwlimit",
  "password",
  "ssh-public-keys",
]);

/** The settings among a request's parameters, as the configuration keeps them. */
export function settingsOf(call: Call): Config {
  const settings: Config = {};
  for (const [key, value] of Object.entries(call.params)) {
    if (reserved.has(key) || value === undefined) continue;
    const text = value === true ? "1" : value === false ? "0" : String(value);
    const numeric =
      /^(cores|sockets|onboot|template|protection|swap|acpi|kvm|numa|unprivileged|balloon|vcpus|autostart|tablet|ciupgrade)$/.test(
        key,
      ) ||
      (key === "memory" && call.params.ostemplate !== undefined);
    settings[key] = numeric ? Number(/^(on|yes|true)$/i.test(text) ? 1 : text) : text;
  }
  return settings;
}

/** Puts a disk setting into effect: `store2:8` makes a volume, `store2:101/vm-…` takes one that is there. */
export function placeDisk(
  call: Call,
  guest: Guest,
  key: string,
  value: string,
  log: (line: string) => void,
): string {
  const { bare, named } = readProperties(value);
  const { format, ...options } = named;
  if (!bare.includes(":")) return value;
  const [storage = "", volume = ""] = bare.split(":");
  if (volume === "cloudinit") {
    const volid = `${storage}:${guest.vmid}/vm-${guest.vmid}-cloudinit.qcow2`;
    call.world.addVolume(volid, { size: 4 * 1024 * 1024 });
    return `${volid},media=cdrom`;
  }
  if (/^\d+(\.\d+)?$/.test(volume)) {
    const volid = call.world.freeVolid(
      storage,
      guest.vmid,
      format ?? (guest.kind === "lxc" ? "raw" : "qcow2"),
    );
    call.world.addVolume(volid, { size: Number(volume) * gib });
    log(`${key}: successfully created disk '${volid},size=${volume}G'`);
    return writeProperties(volid, { ...options, size: `${volume}G` });
  }
  const found = call.world.volume(bare);
  if (!found) throw refuse(`volume '${bare}' does not exist`);
  return options.media === "cdrom"
    ? value
    : writeProperties(bare, { ...options, size: `${found.size / gib}G` });
}

function placeNet(call: Call, kind: Guest["kind"], value: string): string {
  const { bare, named } = readProperties(value);
  if (kind === "lxc") return named.hwaddr ? value : `${value},hwaddr=${call.world.newMac()},type=veth`;
  return bare === "" ? value : writeProperties("", { [bare]: call.world.newMac(), ...named });
}

export function applySettings(call: Call, guest: Guest, settings: Config, log: (line: string) => void): void {
  for (const [key, value] of Object.entries(settings)) {
    if (isDisk(key)) guest.config[key] = placeDisk(call, guest, key, String(value), log);
    else if (/^net\d+$/.test(key)) guest.config[key] = placeNet(call, guest.kind, String(value));
    else guest.config[key] = value;
  }
}

export function freeUnused(guest: Guest): string {
  for (let n = 0; ; n++) if (guest.config[`unused${n}`] === undefined) return `unused${n}`;
}

export const volidOf = (value: string | number | undefined) => String(value ?? "").split(",")[0] ?? "";

function removeSettings(call: Call, guest: Guest, keys: string[]): void {
  for (const key of keys) {
    const value = String(guest.config[key] ?? "");
    delete guest.config[key];
    const volid = volidOf(value);
    if (isDisk(key) && volid.includes(":") && !value.includes("media=cdrom"))
      guest.config[freeUnused(guest)] = volid;
    if (/^unused\d+$/.test(key)) call.world.removeVolume(volid);
  }
}

const anyConfig = ["Disk", "CDROM", "CPU", "Memory", "Network", "HWType", "Options", "Cloudinit"].map(
  (name) => `VM.Config.${name}`,
);

function validate(call: Call, settings: Config): void {
  if (settings.args !== undefined) throw refuse("only root can set 'args' config");
  if (settings.sshkeys !== undefined) {
    const keys = decodeURIComponent(String(settings.sshkeys)).split("\n");
    if (!keys.every((key) => /^(ssh-\S+|ecdsa-\S+|sk-\S+) [A-Za-z0-9+/]{40,}=* ?.*$/.test(key))) {
      throw refuse("SSH public key validation error");
    }
  }
  checkStorages(call, settings);
}

/** Shared by PUT (done when it answers) and POST (a task). */
function change(call: Call, guest: Guest, settings: Config, log: (line: string) => void): void {
  if (call.has("digest") && call.text("digest") !== call.world.digest(guest.config)) {
    throw refuse("checksum mismatch (file change by other user?)");
  }
  call.world.checkLock(guest);
  const removed = call
    .text("delete")
    .split(/[,;\s]+/)
    .filter(Boolean);
  const path = `/vms/${guest.vmid}`;
  for (const key of removed)
    checkPrivileges(call, path, { [key]: String(guest.config[key] ?? "") }, () => true);
  checkPrivileges(call, path, settings, () => true);
  removeSettings(call, guest, removed);
  applySettings(call, guest, settings, log);
}

const editing = {
  node,
  vmid: anyVmid,
  delete: string({ format: "pve-configid-list" }),
  revert: string({ format: "pve-configid-list" }),
  digest,
};

export const configOperations: Operation[] = [
  {
    method: "PUT",
    path: "/nodes/{node}/qemu/{vmid}/config",
    params: { ...editing, ...vmSettings, skiplock, force: boolean() },
    returns: nothing,
    run: (call) => {
      call.demand(`/vms/${call.vmid}`, ...anyConfig);
      const settings = settingsOf(call);
      validate(call, settings);
      return call.world.withLockFile({ vmid: call.vmid, kind: "qemu" }, () => {
        const guest = call.guest("qemu");
        const bridge =
          guest.running && readProperties(String(settings.net1 ?? settings.net0 ?? "")).named.bridge;
        if (bridge && !call.world.bridges.has(bridge)) {
          throw badParams({
            net1: `hotplug problem - VM ${guest.vmid} qmp command 'netdev_add' failed - network script /usr/libexec/qemu-server/pve-bridge-hotplug failed with status 512\n`,
          });
        }
        change(call, guest, settings, () => {});
        return null;
      });
    },
  },
  {
    method: "POST",
    path: "/nodes/{node}/qemu/{vmid}/config",
    params: {
      ...editing,
      ...vmSettings,
      skiplock,
      force: boolean(),
      background_delay: integer({ min: 1, max: 30 }),
    },
    returns: upid,
    run: (call) => {
      call.demand(`/vms/${call.vmid}`, ...anyConfig);
      const settings = settingsOf(call);
      validate(call, settings);
      call.guest("qemu");
      return call.task("qmconfig", call.vmid, async (worker) => {
        const told = [
          ...Object.entries(settings),
          ...(call.has("delete") ? [["delete", call.text("delete")] as const] : []),
        ];
        worker.log(`update VM ${call.vmid}: ${told.map(([key, value]) => `-${key} ${value}`).join(" ")}`);
        await call.world.withLockFile({ vmid: call.vmid, kind: "qemu" }, () =>
          change(call, call.guest("qemu"), settings, (line) => worker.log(line)),
        );
      });
    },
  },
  {
    method: "PUT",
    path: "/nodes/{node}/lxc/{vmid}/config",
    params: { ...editing, ...containerSettings },
    returns: nothing,
    run: (call) => {
      call.demand(
        `/vms/${call.vmid}`,
        "VM.Config.Disk",
        "VM.Config.CPU",
        "VM.Config.Memory",
        "VM.Config.Network",
        "VM.Config.Options",
      );
      const settings = settingsOf(call);
      validate(call, settings);
      return call.world.withLockFile({ vmid: call.vmid, kind: "lxc" }, () => {
        change(call, call.guest("lxc"), settings, () => {});
        return null;
      });
    },
  },
];

export const creation = {
  node,
  vmid: anyVmid,
  pool: string({ format: "pve-poolid" }),
  storage: storageId(),
  start: boolean(),
  force: boolean(),
  unique: boolean(),
  bwlimit: number({ min: 0 }),
};
export const snapshotName = configId();
