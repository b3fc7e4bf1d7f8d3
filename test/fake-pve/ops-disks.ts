import { badParams, refuse } from "./failure.ts";
import { digest, skiplock } from "./guest-settings.ts";
import { type Call, nothing, type Operation, upid } from "./operation.ts";
import { freeUnused, volidOf } from "./ops-config.ts";
import { boolean, integer, node, number, required, storageId, string, vmid } from "./params.ts";
import type { Guest, Kind } from "./world.ts";

const anyVmid = required(vmid());
const gib = 1024 ** 3;
const size = required(string({ pattern: "\\+?\\d+(\\.\\d+)?[KMGT]?" }));
const disk = required(string());
const format = string({ enum: ["raw", "qcow2", "vmdk"] });
const units: Record<string, number> = { "": 1, K: 1024, M: 1024 ** 2, G: gib, T: 1024 ** 4 };

function grow(call: Call, guest: Guest): void {
  const key = call.text("disk");
  const value = guest.config[key];
  if (value === undefined) throw refuse(`disk '${key}' does not exist`);
  const found = /^(\+?)(\d+(?:\.\d+)?)([KMGT]?)$/.exec(call.text("size"));
  const bytes = Number(found?.[2]) * (units[found?.[3] ?? ""] ?? 1);
  const volume = call.world.volume(volidOf(value));
  if (!volume) throw refuse(`volume '${volidOf(value)}' does not exist`);
  const wanted = found?.[1] === "+" ? volume.size + bytes : bytes;
  if (wanted < volume.size) throw refuse("shrinking disks is not supported");
  volume.size = wanted;
  guest.config[key] = String(value).replace(/size=\w+/, `size=${wanted / gib}G`);
}

function resize(call: Call, kind: Kind): unknown {
  call.demand(`/vms/${call.vmid}`, "VM.Config.Disk");
  const guest = call.guest(kind);
  const storage = volidOf(guest.config[call.text("disk")]).split(":")[0] ?? "";
  const work = () =>
    call.world.withLockFile(guest, () => {
      call.world.checkLock(guest);
      if (storage !== "") call.demand(`/storage/${storage}`, "Datastore.AllocateSpace");
      grow(call, guest);
    });
  // Done when it answers before 8; a container's was a task all along.
  if (kind === "qemu" && call.world.major < 8) return work().then(() => null);
  return call.task("resize", call.vmid, async (worker) => {
    await work();
    worker.log("Image resized.");
  });
}

function moveToStorage(call: Call, kind: Kind, key: string): string {
  const storage = call.maybe("storage");
  if (storage === undefined)
    throw badParams({ storage: "missing parameter: either storage or target-vmid is wanted" });
  const guest = call.guest(kind);
  call.world.storage(storage);
  call.demand(`/storage/${storage}`, "Datastore.AllocateSpace");
  const value = guest.config[key];
  if (value === undefined) throw refuse(`disk '${key}' does not exist`);
  return call.task(kind === "qemu" ? "qmmove" : "move_volume", guest.vmid, async (worker) => {
    call.world.checkLock(guest);
    await worker.spend(1_000);
    const old = volidOf(value);
    const volume = call.world.volume(old);
    const volid = call.world.freeVolid(storage, guest.vmid, call.maybe("format") ?? volume?.format ?? "raw");
    call.world.addVolume(volid, { size: volume?.size ?? gib });
    guest.config[key] = [volid, ...String(value).split(",").slice(1)].join(",");
    if (call.bool("delete")) call.world.removeVolume(old);
    else guest.config[freeUnused(guest)] = old;
  });
}

function reassign(call: Call): string {
  const key = call.text("disk");
  const target = call.maybe("target-disk") ?? key;
  const other = call.int("target-vmid");
  call.demand(`/vms/${other}`, "VM.Config.Disk");
  const source = call.guest("qemu");
  const receiver = call.world.guest(call.node, "qemu", other);
  if (source.config[key] === undefined) throw refuse(`Disk '${key}' for VM '${source.vmid}' does not exist`);
  if (receiver.config[target] !== undefined)
    throw refuse(`Target disk key '${target}' is already in use for VM '${other}'`);
  if (source.running && !key.startsWith("unused")) {
    throw refuse("Cannot move disk to another VM while the source VM is running - detach first");
  }
  const storage = volidOf(source.config[key]).split(":")[0] ?? "";
  call.demand(`/storage/${storage}`, "Datastore.AllocateSpace");
  return call.task("qmmove", `${source.vmid}-${key}>${other}-${target}`, (worker) => {
    call.world.checkLock(source);
    call.world.checkLock(receiver);
    worker.log(`reassign disk '${key}' from VM '${source.vmid}' as '${target}' to VM '${other}'`);
    const value = String(source.config[key] ?? "");
    const old = volidOf(value);
    const volume = call.world.volume(old);
    // Renamed after its new owner.
    const volid = call.world.freeVolid(storage, other, volume?.format ?? "qcow2");
    call.world.removeVolume(old);
    call.world.addVolume(volid, { size: volume?.size ?? gib });
    worker.log(`removing disk '${key}' from VM '${source.vmid}' config`);
    delete source.config[key];
    receiver.config[target] = [volid, ...value.split(",").slice(1)].join(",");
    worker.log(`update VM ${other}: -${target} ${receiver.config[target]}`);
  });
}

export const diskOperations: Operation[] = [
  {
    method: "PUT",
    path: "/nodes/{node}/qemu/{vmid}/resize",
    params: { node, vmid: anyVmid, disk, size, digest, skiplock },
    returns: (major) => (major < 8 ? nothing : upid),
    run: (call) => resize(call, "qemu"),
  },
  {
    method: "PUT",
    path: "/nodes/{node}/lxc/{vmid}/resize",
    params: { node, vmid: anyVmid, disk, size, digest },
    returns: upid,
    run: (call) => resize(call, "lxc"),
  },
  {
    method: "POST",
    path: "/nodes/{node}/qemu/{vmid}/move_disk",
    params: {
      node,
      vmid: anyVmid,
      disk,
      digest,
      format,
      storage: storageId(),
      delete: boolean(),
      bwlimit: integer({ min: 0 }),
      "target-vmid": vmid(),
      "target-disk": string(),
      "target-digest": digest,
    },
    returns: upid,
    run: (call) => {
      call.demand(`/vms/${call.vmid}`, "VM.Config.Disk");
      return call.has("target-vmid") ? reassign(call) : moveToStorage(call, "qemu", call.text("disk"));
    },
  },
  {
    method: "POST",
    path: "/nodes/{node}/lxc/{vmid}/move_volume",
    params: {
      node,
      vmid: anyVmid,
      volume: required(string()),
      digest,
      storage: storageId(),
      delete: boolean(),
      bwlimit: number({ min: 0 }),
    },
    returns: upid,
    run: (call) => {
      call.demand(`/vms/${call.vmid}`, "VM.Config.Disk");
      return moveToStorage(call, "lxc", call.text("volume"));
    },
  },
  {
    method: "PUT",
    path: "/nodes/{node}/qemu/{vmid}/unlink",
    params: {
      node,
      vmid: anyVmid,
      idlist: required(string({ format: "pve-configid-list" })),
      force: boolean(),
    },
    returns: nothing,
    run: (call) => {
      call.demand(`/vms/${call.vmid}`, "VM.Config.Disk");
      const guest = call.guest("qemu");
      call.world.checkLock(guest);
      for (const key of call.text("idlist").split(/[,;\s]+/)) {
        const volid = volidOf(guest.config[key]);
        if (volid.includes(":")) {
          call.demand(`/storage/${volid.split(":")[0]}`, "Datastore.AllocateSpace");
          call.world.removeVolume(volid);
        }
        delete guest.config[key];
      }
      return null;
    },
  },
];
