import { type CallOptions, type Params, type PveApi, route, startTask } from "./api.ts";
import { guestPath } from "./guests.ts";
import { taskType } from "./power.ts";
import type { Need } from "./privileges.ts";
import type { Upid } from "./upid.ts";
import type { GuestRef, Vmid } from "./vmid.ts";

export interface CloneRequest {
  newVmid: Vmid;
  name?: string;
  description?: string;
  /** VM.Allocate on the pool is enough then; without it, it is wanted on the new vmid. */
  pool?: string;
  /** A copy of every disk; otherwise linked, which only a template allows. */
  full?: boolean;
  /** Of a full clone. */
  storage?: string;
  format?: "raw" | "qcow2" | "vmdk";
  /** Another node: the disks must be on shared storage. */
  targetNode?: string;
  snapshot?: string;
}

export interface CreateRequest {
  node: string;
  vmid: Vmid;
  pool?: string;
  /** As the API takes them: `{ memory: 2048, scsi0: "local:8", net0: "virtio,bridge=vmbr0" }`. Set tags afterwards: in a pool they need rights on the guest that is not there yet. */
  settings: Params;
}

export interface RestoreRequest {
  node: string;
  kind: "qemu" | "lxc";
  vmid: Vmid;
  /** `store2:backup/vzdump-lxc-200-….tar.zst` */
  archive: string;
  storage?: string;
  pool?: string;
  /** Overwrites a guest of that vmid. */
  force?: boolean;
  settings?: Params;
}

const mayAllocate = (vmid: Vmid, pool: string | undefined): Need[] => [
  { path: pool === undefined ? `/vms/${vmid}` : `/pool/${pool}`, privileges: ["VM.Allocate"] },
];

export function createProvisioning(api: PveApi) {
  const create = (
    kind: "qemu" | "lxc",
    verb: string,
    request: CreateRequest,
    options?: CallOptions,
  ): Promise<Upid> => {
    const { node, vmid, pool, settings } = request;
    return startTask(
      api,
      {
        method: "POST",
        path: route`/nodes/${node}/${kind}`,
        params: { ...settings, vmid, pool },
        needs: mayAllocate(vmid, pool),
        task: { node, type: taskType({ kind, node, vmid }, verb), id: String(vmid) },
      },
      options,
    );
  };

  return {
    createVm: (request: CreateRequest, options?: CallOptions) => create("qemu", "create", request, options),
    /** `settings.ostemplate` and `settings.rootfs` are wanted. */
    createContainer: (request: CreateRequest, options?: CallOptions) =>
      create("lxc", "create", request, options),

    restore: (request: RestoreRequest, options?: CallOptions) => {
      const { kind, archive, force, storage } = request;
      const source: Params = kind === "qemu" ? { archive } : { ostemplate: archive, restore: true };
      return create(
        kind,
        "restore",
        { ...request, settings: { ...request.settings, ...source, force, storage } },
        options,
      );
    },

    /** The task's id is the *source's* vmid. Two clones to one vmid both start; one task fails. */
    clone: (source: GuestRef, request: CloneRequest, options?: CallOptions): Promise<Upid> => {
      const { newVmid, name, description, pool, full, storage, format, targetNode, snapshot } = request;
      const isVm = source.kind === "qemu";
      return startTask(
        api,
        {
          method: "POST",
          path: `${guestPath(source)}/clone`,
          params: {
            newid: newVmid,
            [isVm ? "name" : "hostname"]: name,
            description,
            pool,
            full,
            storage,
            ...(isVm && { format }),
            target: targetNode,
            snapname: snapshot,
          },
          needs: [{ path: `/vms/${source.vmid}`, privileges: ["VM.Clone"] }, ...mayAllocate(newVmid, pool)],
          task: {
            node: source.node,
            type: taskType(source, "clone"),
            id: String(source.vmid),
            logLine: `with ID ${newVmid}`,
          },
        },
        options,
      );
    },

    /**
     * The guest must be stopped (a container's `force` stops it). Its disks go with it, attached workspaces too.
     * `purge` takes it out of backup jobs, replication and HA; `unreferencedDisks` deletes what its vmid still owns.
     */
    destroy: (
      guest: GuestRef,
      how: { purge?: boolean; unreferencedDisks?: boolean; force?: boolean } = {},
      options?: CallOptions,
    ): Promise<Upid> =>
      startTask(
        api,
        {
          method: "DELETE",
          path: guestPath(guest),
          params: {
            purge: how.purge,
            "destroy-unreferenced-disks": how.unreferencedDisks,
            ...(guest.kind === "lxc" && { force: how.force }),
          },
          needs: [{ path: `/vms/${guest.vmid}`, privileges: ["VM.Allocate"] }],
          task: { node: guest.node, type: taskType(guest, "destroy"), id: String(guest.vmid) },
        },
        options,
      ),

    /** `online` keeps a VM running; a container is restarted on the other side. */
    migrate: (
      guest: GuestRef,
      request: { target: string; online?: boolean; localDisks?: boolean; targetStorage?: string },
      options?: CallOptions,
    ): Promise<Upid> => {
      const { target, online, localDisks, targetStorage } = request;
      const params: Params =
        guest.kind === "qemu"
          ? { target, online, "with-local-disks": localDisks, targetstorage: targetStorage }
          : { target, restart: online, "target-storage": targetStorage };
      return startTask(
        api,
        {
          method: "POST",
          path: `${guestPath(guest)}/migrate`,
          params,
          needs: [{ path: `/vms/${guest.vmid}`, privileges: ["VM.Migrate"] }],
          task: {
            node: guest.node,
            type: guest.kind === "qemu" ? "qmigrate" : "vzmigrate",
            id: String(guest.vmid),
          },
        },
        options,
      );
    },

    /** Backs guests up to a storage; `vzdump` of one guest is one task. */
    vzdump: (
      guest: GuestRef,
      request: {
        storage: string;
        mode?: "snapshot" | "suspend" | "stop";
        compress?: "0" | "gzip" | "lzo" | "zstd";
        notes?: string;
      },
      options?: CallOptions,
    ): Promise<Upid> => {
      const { storage, mode, compress, notes } = request;
      return startTask(
        api,
        {
          method: "POST",
          path: route`/nodes/${guest.node}/vzdump`,
          params: { vmid: guest.vmid, storage, mode, compress, "notes-template": notes },
          needs: [
            { path: `/vms/${guest.vmid}`, privileges: ["VM.Backup"] },
            { path: `/storage/${storage}`, privileges: ["Datastore.AllocateSpace"] },
          ],
          task: { node: guest.node, type: "vzdump", id: String(guest.vmid) },
        },
        options,
      );
    },
  };
}

export type PveProvisioning = ReturnType<typeof createProvisioning>;
