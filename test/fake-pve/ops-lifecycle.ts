import { badParams, refuse } from "./failure.ts";
import { containerSettings, vmSettings } from "./guest-settings.ts";
import { type Call, type Operation, upid } from "./operation.ts";
import {
  applySettings,
  checkPrivileges,
  checkStorages,
  creation,
  isDisk,
  settingsOf,
  snapshotName,
  volidOf,
} from "./ops-config.ts";
import { boolean, integer, node, number, required, storageId, string, vmid } from "./params.ts";
import type { Worker } from "./tasks.ts";
import type { Config, Guest, Kind } from "./world.ts";

const anyVmid = required(vmid());
const what = (kind: Kind) => (kind === "qemu" ? "VM" : "CT");
const prefix = (kind: Kind) => (kind === "qemu" ? "qm" : "vz");

function refuseExisting(call: Call, kind: Kind): void {
  const found = call.world.guests.get(call.vmid);
  if (!found) return;
  const exists = `${what(found.kind)} ${call.vmid} already exists on node '${found.node}'`;
  throw refuse(
    kind === "lxc" && found.kind === "lxc"
      ? exists
      : `unable to create ${what(kind)} ${call.vmid} - ${exists}`,
  );
}

/** A configuration as a backup carries it, without what belongs to its old place. */
function restoredFrom(call: Call, volid: string): { kind: Kind; config: Config } {
  const backup = call.world.volume(volid)?.backupOf;
  if (!backup) throw refuse(`can't find archive '${volid}'`);
  return backup;
}

async function create(call: Call, kind: Kind): Promise<string> {
  const archive =
    kind === "qemu" ? call.maybe("archive") : call.bool("restore") ? call.maybe("ostemplate") : undefined;
  call.demandAllocate(call.vmid);
  const settings = settingsOf(call);
  const storage = call.maybe("storage");
  if (storage !== undefined) {
    call.world.storage(storage);
    call.demand(`/storage/${storage}`, "Datastore.AllocateSpace");
  }
  checkStorages(call, settings);
  // `tags` and other options are only looked at in the task, when the guest is there but not yet in its pool.
  checkPrivileges(
    call,
    `/vms/${call.vmid}`,
    settings,
    (key) => !/^(tags)$/.test(key) && !(kind === "qemu" && isDisk(key)),
  );
  const overwrite = call.bool("force") && archive !== undefined;
  await call.world
    .withLockFile({ vmid: call.vmid, kind }, () => undefined)
    .catch((error) => {
      throw refuse(
        `unable to create ${what(kind)} ${call.vmid} - ${error instanceof Error ? error.message : error}`,
      );
    });
  if (!overwrite) refuseExisting(call, kind);
  // Until its task ends the guest is there, locked; a second create finds it.
  const guest = call.world.addGuest({ vmid: call.vmid, kind, node: call.node, config: { lock: "create" } });
  const verb = archive === undefined ? "create" : "restore";
  return call.task(`${prefix(kind)}${verb}`, call.vmid, async (worker) => {
    try {
      await worker.spend(300);
      checkPrivileges(
        call,
        `/vms/${call.vmid}`,
        "tags" in settings ? { tags: settings.tags ?? "" } : {},
        () => true,
      );
      guest.config = {};
      if (archive !== undefined) restore(call, guest, archive, storage, worker);
      else if (kind === "lxc") unpack(call, guest, settings);
      applySettings(call, guest, settings, (line) => worker.log(line));
      if (kind === "qemu")
        guest.config = {
          boot: " ",
          meta: `creation-qemu=10.0.13,ctime=${call.world.now()}`,
          ...guest.config,
        };
    } catch (error) {
      call.world.guests.delete(call.vmid);
      const told = error instanceof Error ? error.message : String(error);
      const spelled = told.startsWith("Permission check failed") ? `403 ${told}` : told;
      throw refuse(`unable to ${verb} ${what(kind)} ${call.vmid} - ${spelled}`);
    }
    const pool = call.maybe("pool");
    if (pool !== undefined) call.world.rights.pools.get(pool)?.vms.add(call.vmid);
    if (call.bool("start")) call.world.setRunning(guest, true);
  });
}

function restore(
  call: Call,
  guest: Guest,
  archive: string,
  storage: string | undefined,
  worker: Worker,
): void {
  worker.log(`recovering backed-up configuration from '${archive}'`);
  for (const [key, value] of Object.entries(restoredFrom(call, archive).config)) {
    if (!isDisk(key) || !volidOf(value).includes(":")) guest.config[key] = value;
    else {
      const target = storage ?? volidOf(value).split(":")[0] ?? "local";
      const volid = call.world.freeVolid(target, guest.vmid, guest.kind === "lxc" ? "raw" : "qcow2");
      call.world.addVolume(volid);
      guest.config[key] = `${volid},size=1G`;
    }
  }
}

function unpack(call: Call, guest: Guest, settings: Config): void {
  const template = call.text("ostemplate");
  if (!call.world.volume(template)) throw refuse(`volume '${template}' does not exist`);
  guest.config = { arch: "amd64", ostype: "debian", memory: 512, swap: 512 };
  if (settings.rootfs === undefined) settings.rootfs = `${call.maybe("storage") ?? "local"}:4`;
}

function clone(call: Call, kind: Kind): string {
  const newid = call.int("newid");
  call.demand(`/vms/${call.vmid}`, "VM.Clone");
  call.demandAllocate(newid);
  const source = call.guest(kind);
  call.world.checkLock(source);
  const isTemplate = source.config.template === 1;
  const full = call.has("full") ? call.bool("full") : !isTemplate;
  const storage = call.maybe("storage");
  if (!full && storage !== undefined)
    throw badParams({ storage: "parameter 'storage' not allowed for linked clones" });
  const disks = Object.entries(source.config).filter(
    ([key, value]) => isDisk(key) && !String(value).includes("media=cdrom"),
  );
  for (const [key, value] of disks) {
    const place = storage ?? volidOf(value).split(":")[0] ?? "";
    call.world.storage(place);
    call.demand(`/storage/${place}`, "Datastore.AllocateSpace");
    if (!full && !isTemplate)
      throw refuse(`Linked clone feature is not supported for drive '${key}' (${volidOf(value)})`);
  }
  const bridge = /bridge=(\w+)/.exec(String(source.config.net0 ?? ""))?.[1];
  if (bridge !== undefined) call.demandBridge(bridge);
  const exists = `unable to create ${what(kind)} ${newid}: config file already exists`;
  if (call.world.guests.has(newid)) throw refuse(exists);
  return call.task(`${prefix(kind)}clone`, call.vmid, async (worker) => {
    // Nobody reserved the number: the second of two finds the first one's file here.
    if (call.world.guests.has(newid)) {
      worker.log("trying to acquire lock...");
      worker.log(" OK");
      throw refuse(exists);
    }
    const config: Config = { lock: "clone", description: ` ${prefix(kind)}clone temporary file` };
    const target = call.world.addGuest({
      vmid: newid,
      kind,
      node: call.maybe("target") ?? call.node,
      config,
    });
    const pool = call.maybe("pool");
    if (pool !== undefined) call.world.rights.pools.get(pool)?.vms.add(newid);
    worker.log(`creating a clone of ${kind === "qemu" ? "VM" : "container"} ${call.vmid} with ID ${newid}`);
    try {
      await worker.spend(full ? 1_500 : 300);
      target.config = copyConfig(call, source, target, disks, { full, storage });
    } catch (error) {
      call.world.guests.delete(newid);
      throw refuse(`clone failed: ${error instanceof Error ? error.message : error}`);
    }
  });
}

function copyConfig(
  call: Call,
  source: Guest,
  target: Guest,
  disks: [string, string | number][],
  how: { full: boolean; storage: string | undefined },
): Config {
  const { template: _, parent: __, lock: ___, ...kept } = source.config;
  const config: Config = { ...kept };
  for (const [key, value] of disks) {
    const volid = volidOf(value);
    const found = call.world.volume(volid);
    if (!found) throw refuse(`volume '${volid}' does not exist`);
    const storage = how.storage ?? volid.split(":")[0] ?? "";
    const own = call.world.freeVolid(storage, target.vmid, call.maybe("format") ?? found.format);
    // A linked clone's volume names its base.
    const named = how.full ? own : `${volid}/${own.slice(own.indexOf(":") + 1)}`;
    call.world.addVolume(named, {
      size: found.size,
      vmid: target.vmid,
      parent: how.full ? null : `../${volid.slice(volid.indexOf(":") + 1)}`,
    });
    config[key] = [named, ...String(value).split(",").slice(1)].join(",");
  }
  for (const [key, value] of Object.entries(config)) {
    if (/^net\d+$/.test(key))
      config[key] = String(value).replace(/([0-9A-F]{2}:){5}[0-9A-F]{2}/i, call.world.newMac());
  }
  const name = call.maybe("name") ?? call.maybe("hostname") ?? `Copy-of-${source.config.name ?? source.vmid}`;
  config[target.kind === "qemu" ? "name" : "hostname"] = name;
  if (call.has("description")) config.description = call.text("description");
  return config;
}

function destroy(call: Call, kind: Kind): string {
  call.demand(`/vms/${call.vmid}`, "VM.Allocate");
  const guest = call.guest(kind);
  const force = kind === "lxc" && call.bool("force");
  if (guest.config.protection === 1)
    throw refuse(`can't remove ${what(kind)} ${guest.vmid} - protection mode enabled`);
  if (guest.running && !force) {
    throw refuse(
      kind === "qemu"
        ? `VM ${guest.vmid} is running - destroy failed`
        : `unable to destroy CT ${guest.vmid} - container is running`,
    );
  }
  return call.task(`${prefix(kind)}destroy`, call.vmid, async (worker) => {
    await call.world.withLockFile(guest, async () => {
      if (call.world.guests.get(guest.vmid) !== guest)
        throw refuse(
          `unable to find configuration file for ${what(kind)} ${guest.vmid} on node '${call.node}'`,
        );
      call.world.checkLock(guest);
      if (force && guest.running) worker.log(`forced to stop CT ${guest.vmid} before destroying!`);
      const owned = Object.entries(guest.config)
        .filter(([key, value]) => (isDisk(key) || /^unused\d+$/.test(key)) && !String(value).includes("iso/"))
        .map(([, value]) => volidOf(value));
      for (const volid of owned) {
        const inUse = [...call.world.storages.values()].some(({ volumes }) =>
          [...volumes.keys()].some((other) => other.startsWith(`${volid}/`)),
        );
        if (inUse) throw refuse(`base volume '${volid}' is still in use by linked cloned`);
      }
      await worker.spend(200);
      for (const volid of owned) if (volid.includes(":")) call.world.removeVolume(volid);
      if (call.bool("destroy-unreferenced-disks")) {
        for (const { volumes } of call.world.storages.values()) {
          for (const [volid, volume] of volumes)
            if (volume.vmid === guest.vmid && volume.content === "images") volumes.delete(volid);
        }
      }
      if (call.bool("purge")) worker.log(`purging ${what(kind)} ${guest.vmid} from related configurations..`);
      call.world.guests.delete(guest.vmid);
      for (const pool of call.world.rights.pools.values()) pool.vms.delete(guest.vmid);
    });
  });
}

function migrate(call: Call, kind: Kind): string {
  call.demand(`/vms/${call.vmid}`, "VM.Migrate");
  const target = call.text("target");
  if (target === call.node) throw badParams({ target: "target is local node." });
  const guest = call.guest(kind);
  call.world.checkLock(guest);
  if (call.world.nodes.get(target)?.online !== true) throw refuse(`no such cluster node '${target}'`);
  const online = call.bool("online") || call.bool("restart");
  if (guest.running && !online)
    throw refuse(
      `can't migrate running ${kind === "qemu" ? "VM" : "container"} without ${kind === "qemu" ? "--online" : "--online or --restart"}`,
    );
  return call.task(kind === "qemu" ? "qmigrate" : "vzmigrate", guest.vmid, async (worker) => {
    worker.log(`starting migration of ${what(kind)} ${guest.vmid} to node '${target}'`);
    guest.config.lock = "migrate";
    await worker.spend(1_000).finally(() => delete guest.config.lock);
    guest.node = target;
  });
}

const cloning = {
  node,
  vmid: anyVmid,
  newid: required(vmid()),
  description: string(),
  full: boolean(),
  pool: string({ format: "pve-poolid" }),
  snapname: snapshotName,
  storage: storageId(),
  target: string({ format: "pve-node" }),
  bwlimit: number({ min: 0 }),
};

export const lifecycleOperations: Operation[] = [
  {
    method: "POST",
    path: "/nodes/{node}/qemu",
    params: { ...vmSettings, ...creation, bwlimit: integer({ min: 0 }), archive: string() },
    returns: upid,
    run: (call) => create(call, "qemu"),
  },
  {
    method: "POST",
    path: "/nodes/{node}/lxc",
    params: {
      ...containerSettings,
      ...creation,
      ostemplate: required(string()),
      restore: boolean(),
      password: string(),
      "ssh-public-keys": string(),
    },
    returns: upid,
    run: (call) => create(call, "lxc"),
  },
  {
    method: "POST",
    path: "/nodes/{node}/qemu/{vmid}/clone",
    params: {
      ...cloning,
      bwlimit: integer({ min: 0 }),
      name: string({ format: "dns-name" }),
      format: string({ enum: ["raw", "qcow2", "vmdk"] }),
    },
    returns: upid,
    run: (call) => clone(call, "qemu"),
  },
  {
    method: "POST",
    path: "/nodes/{node}/lxc/{vmid}/clone",
    params: { ...cloning, hostname: string({ format: "dns-name" }) },
    returns: upid,
    run: (call) => clone(call, "lxc"),
  },
  {
    method: "DELETE",
    path: "/nodes/{node}/qemu/{vmid}",
    params: {
      node,
      vmid: anyVmid,
      purge: boolean(),
      "destroy-unreferenced-disks": boolean(),
      skiplock: boolean({ check: () => "Only root may use this option." }),
    },
    returns: upid,
    run: (call) => destroy(call, "qemu"),
  },
  {
    method: "DELETE",
    path: "/nodes/{node}/lxc/{vmid}",
    params: {
      node,
      vmid: anyVmid,
      purge: boolean(),
      force: boolean(),
      "destroy-unreferenced-disks": boolean(),
    },
    returns: upid,
    run: (call) => destroy(call, "lxc"),
  },
  {
    method: "POST",
    path: "/nodes/{node}/qemu/{vmid}/migrate",
    params: {
      node,
      vmid: anyVmid,
      target: required(string({ format: "pve-node" })),
      online: boolean(),
      force: boolean(),
      "with-local-disks": boolean(),
      targetstorage: string(),
      bwlimit: integer({ min: 0 }),
    },
    returns: upid,
    run: (call) => migrate(call, "qemu"),
  },
  {
    method: "POST",
    path: "/nodes/{node}/lxc/{vmid}/migrate",
    params: {
      node,
      vmid: anyVmid,
      target: required(string({ format: "pve-node" })),
      online: boolean(),
      restart: boolean(),
      timeout: integer(),
      "target-storage": string(),
      bwlimit: number({ min: 0 }),
    },
    returns: upid,
    run: (call) => migrate(call, "lxc"),
  },
];
