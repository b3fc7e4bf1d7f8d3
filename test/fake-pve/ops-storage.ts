import { z } from "zod";
import { badParams, denied, refuse } from "./failure.ts";
import { bit, type Call, int, type Operation, upid } from "./operation.ts";
import { canSeeStorage } from "./ops-cluster.ts";
import { boolean, integer, node, required, storageId, string, vmid } from "./params.ts";
import type { Worker } from "./tasks.ts";

const gib = 1024 ** 3;
const vmidList = string({ format: "pve-vmid-list" });

const volume = z.looseObject({
  volid: z.string(),
  content: z.string(),
  format: z.string(),
  size: int,
  used: int.optional(),
  vmid: int.optional(),
  ctime: int.optional(),
});
const onNode = z.looseObject({
  storage: z.string(),
  type: z.string(),
  content: z.string(),
  active: bit,
  enabled: bit,
  shared: bit,
  total: int,
  used: int,
  avail: int,
  used_fraction: z.number(),
});

function content(call: Call) {
  const storage = call.world.storage(call.text("storage"));
  call.demand(`/storage/${storage.name}`, "Datastore.Audit", "Datastore.AllocateSpace");
  return [...storage.volumes.values()]
    .filter((each) => !call.has("content") || each.content === call.text("content"))
    .filter((each) => !call.has("vmid") || each.vmid === call.vmid)
    .map((each) => ({
      volid: each.volid,
      content: each.content,
      format: each.format,
      size: each.size,
      ctime: each.ctime,
      ...(each.vmid !== undefined && { vmid: each.vmid }),
      ...(each.content === "images" && { used: each.used, parent: each.parent }),
      ...(each.backupOf && { subtype: each.backupOf.kind }),
    }));
}

function remove(call: Call): string {
  const volid = call.text("volume");
  const storage = call.world.storage(volid.split(":")[0] ?? "");
  const found = storage.volumes.get(volid);
  const mayBackup =
    found?.content === "backup" &&
    call.can(`/storage/${storage.name}`, "Datastore.AllocateSpace") &&
    call.can(`/vms/${found.vmid}`, "VM.Backup");
  if (!mayBackup) call.demand(`/storage/${storage.name}`, "Datastore.Allocate");
  const owner = found?.vmid ?? /\/vm-(\d+)-/.exec(volid)?.[1] ?? "";
  return call.task("imgdel", `${owner}@${storage.name}`, (worker) => {
    if (!found) worker.log(`disk image '/srv/${storage.name}/images/${volid.split(":")[1]}' does not exist`);
    storage.volumes.delete(volid);
    worker.log(`Removed volume '${volid}'`);
  });
}

function upload(call: Call): string {
  const storage = call.world.storage(call.text("storage"));
  const kind = call.text("content");
  const filename = call.upload?.filename ?? call.text("filename");
  if (kind === "iso" && !/\.(iso|img)$/i.test(filename))
    throw badParams({ filename: "wrong file extension" });
  if (!storage.content.includes(kind))
    throw refuse(`storage '${storage.name}' does not support '${kind}' content`);
  return call.task("imgcopy", "", (worker) => {
    const path = `/var/lib/vz/template/${kind}/${filename}`;
    worker.log("starting file import from: /var/tmp/pveupload-00000000000000000000000000000000");
    worker.log(`target node: ${call.node}`);
    worker.log(`target file: ${path}`);
    worker.log(`file size is: ${call.upload?.size ?? 0}`);
    call.world.addVolume(`${storage.name}:${kind}/${filename}`, {
      content: kind,
      size: call.upload?.size ?? 0,
      format: kind,
    });
    worker.log("finished file import successfully");
  });
}

function vzdump(call: Call): string {
  const storage = call.world.storage(call.maybe("storage") ?? "local");
  call.demand(`/storage/${storage.name}`, "Datastore.AllocateSpace");
  const vmids = call
    .text("vmid")
    .split(/[,;\s]+/)
    .filter(Boolean)
    .map(Number);
  return call.task("vzdump", vmids.length === 1 ? String(vmids[0]) : "", async (worker) => {
    worker.log(
      `INFO: starting new backup job: vzdump ${vmids.join(" ")} --node ${call.node} --storage ${storage.name}`,
    );
    for (const number of vmids) await dumpOne(call, storage.name, number, worker);
  });
}

async function dumpOne(call: Call, storage: string, number: number, worker: Worker): Promise<void> {
  if (!call.can(`/vms/${number}`, "VM.Backup")) throw denied(`/vms/${number}`, ["VM.Backup"]);
  const guest = call.world.guests.get(number);
  if (!guest) throw refuse(`unable to find VM '${number}'`);
  worker.log(`INFO: Starting Backup of VM ${number} (${guest.kind})`);
  worker.log(`INFO: status = ${guest.running ? "running" : "stopped"}`);
  try {
    call.world.checkLock(guest);
  } catch (error) {
    worker.log(`ERROR: Backup of VM ${number} failed - ${error instanceof Error ? error.message : error}`);
    throw refuse("job errors");
  }
  await worker.spend(2_000);
  const stamp = new Date(call.world.nowMs()).toISOString().replace(/\D/g, "");
  const date = `${stamp.slice(0, 4)}_${stamp.slice(4, 6)}_${stamp.slice(6, 8)}-${stamp.slice(8, 10)}_${stamp.slice(10, 12)}_${stamp.slice(12, 14)}`;
  const suffix = { gzip: ".gz", lzo: ".lzo", zstd: ".zst" }[call.text("compress")] ?? "";
  const ending = `${guest.kind === "qemu" ? "vma" : "tar"}${suffix}`;
  call.world.addVolume(`${storage}:backup/vzdump-${guest.kind}-${number}-${date}.${ending}`, {
    content: "backup",
    format: ending,
    vmid: number,
    size: 88_042_186,
    backupOf: { kind: guest.kind, config: { ...guest.config } },
  });
  worker.log(`INFO: Finished Backup of VM ${number} (00:00:02)`);
}

export const storageOperations: Operation[] = [
  {
    method: "GET",
    path: "/storage",
    params: { type: string() },
    returns: z.array(z.looseObject({ storage: z.string(), type: z.string(), content: z.string() })),
    run: (call) =>
      [...call.world.storages.values()]
        .filter(({ name }) => canSeeStorage(call, name))
        .map(({ name, type, content: kinds, shared }) => ({
          storage: name,
          type,
          content: kinds.join(","),
          shared: shared ? 1 : 0,
          path: `/srv/${name}`,
          digest: "0".repeat(40),
        })),
  },
  {
    method: "GET",
    path: "/nodes/{node}/storage",
    params: {
      node,
      content: string(),
      enabled: boolean(),
      format: boolean(),
      storage: storageId(),
      target: string({ format: "pve-node" }),
    },
    returns: z.array(onNode),
    run: (call) =>
      [...call.world.storages.values()]
        .filter(
          ({ name }) => canSeeStorage(call, name) && (!call.has("storage") || call.text("storage") === name),
        )
        .filter(({ content: kinds }) => !call.has("content") || kinds.includes(call.text("content")))
        .map((each) => ({
          storage: each.name,
          type: each.type,
          content: each.content.join(","),
          active: 1,
          enabled: 1,
          shared: each.shared ? 1 : 0,
          total: 250 * gib,
          used: 50 * gib,
          avail: 200 * gib,
          used_fraction: 0.2,
        })),
  },
  {
    method: "GET",
    path: "/nodes/{node}/storage/{storage}/content",
    params: {
      node,
      storage: required(storageId()),
      content: string({ format: "pve-storage-content" }),
      vmid: vmid(),
    },
    returns: z.array(volume),
    run: content,
  },
  {
    method: "DELETE",
    path: "/nodes/{node}/storage/{storage}/content/{volume}",
    params: { node, storage: storageId(), volume: required(string()), delay: integer({ min: 1, max: 30 }) },
    returns: upid,
    run: remove,
  },
  {
    method: "POST",
    path: "/nodes/{node}/storage/{storage}/upload",
    params: {
      node,
      storage: required(storageId()),
      content: required(string({ enum: ["iso", "vztmpl", "import"] })),
      filename: required(string({ maxLength: 255 })),
      checksum: string(),
      "checksum-algorithm": string({ enum: ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"] }),
    },
    gate: (call) => call.demand(`/storage/${call.text("storage")}`, "Datastore.AllocateTemplate"),
    returns: upid,
    run: upload,
  },
  {
    method: "POST",
    path: "/nodes/{node}/vzdump",
    params: {
      node: { ...node, optional: true },
      vmid: vmidList,
      storage: storageId(),
      mode: string({ enum: ["snapshot", "suspend", "stop"] }),
      compress: string({ enum: ["0", "1", "gzip", "lzo", "zstd"] }),
      "notes-template": string({ maxLength: 1024 }),
      protected: boolean(),
      remove: boolean(),
      quiet: boolean(),
      maxfiles: integer({ min: 1, until: 8 }),
      "notification-mode": string({ since: 8, enum: ["auto", "legacy-sendmail", "notification-system"] }),
    },
    returns: upid,
    run: vzdump,
  },
];
