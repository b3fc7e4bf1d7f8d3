import { type CallOptions, type PveApi, startTask } from "./api.ts";
import { guestPath } from "./guests.ts";
import { taskType } from "./power.ts";
import type { Upid } from "./upid.ts";
import type { GuestRef, Vmid } from "./vmid.ts";

type Vm = GuestRef & { kind: "qemu" };

export function createDisks(api: PveApi) {
  const config = (vm: Vm, params: Record<string, string>, options?: CallOptions): Promise<Upid> =>
    startTask(
      api,
      {
        method: "POST",
        path: `${guestPath(vm)}/config`,
        params,
        needs: [{ path: `/vms/${vm.vmid}`, privileges: ["VM.Config.Disk"] }],
        task: { node: vm.node, type: taskType(vm, "config"), id: String(vm.vmid) },
      },
      options,
    );

  return {
    /** A new volume: `attachNew(vm, "scsi1", { storage: "store2", sizeGib: 8 })`. */
    attachNew: (
      vm: Vm,
      disk: string,
      volume: { storage: string; sizeGib: number; format?: "raw" | "qcow2" },
      options?: CallOptions,
    ) => {
      const format = volume.format === undefined ? "" : `,format=${volume.format}`;
      return config(vm, { [disk]: `${volume.storage}:${volume.sizeGib}${format}` }, options);
    },
    /** A volume that is there already. */
    attach: (vm: Vm, disk: string, volid: string, options?: CallOptions) =>
      config(vm, { [disk]: volid }, options),
    /** The volume stays, as `unusedN` of this guest. */
    detach: (vm: Vm, disk: string, options?: CallOptions) => config(vm, { delete: disk }, options),
    /** Deletes the volume of an `unusedN`, without Datastore.Allocate. Done when it returns. */
    unlink: async (vm: Vm, unused: string, options?: CallOptions): Promise<void> => {
      await api.change(
        {
          method: "PUT",
          path: `${guestPath(vm)}/unlink`,
          params: { idlist: unused, force: true },
          needs: [{ path: `/vms/${vm.vmid}`, privileges: ["VM.Config.Disk"] }],
        },
        options,
      );
    },
    /** To another storage; the old volume goes with `deleteSource`, otherwise it stays as `unusedN`. */
    moveToStorage: (
      guest: GuestRef,
      disk: string,
      target: { storage: string; format?: "raw" | "qcow2"; deleteSource?: boolean },
      options?: CallOptions,
    ): Promise<Upid> => {
      const isVm = guest.kind === "qemu";
      return startTask(
        api,
        {
          method: "POST",
          path: `${guestPath(guest)}/${isVm ? "move_disk" : "move_volume"}`,
          params: {
            [isVm ? "disk" : "volume"]: disk,
            storage: target.storage,
            delete: target.deleteSource,
            ...(isVm && { format: target.format }),
          },
          needs: [{ path: `/storage/${target.storage}`, privileges: ["Datastore.AllocateSpace"] }],
          task: { node: guest.node, type: isVm ? "qmmove" : "move_volume", id: String(guest.vmid) },
        },
        options,
      );
    },
    /**
     * Hands a disk over to another, stopped guest on the same node. The volume is renamed: read the target's
     * configuration again. This is how a workspace outlives its VM, whose destruction takes attached disks along.
     */
    reassign: (
      vm: Vm,
      disk: string,
      target: { vmid: Vmid; disk: string; digest?: string },
      options?: CallOptions,
    ): Promise<Upid> =>
      startTask(
        api,
        {
          method: "POST",
          path: `${guestPath(vm)}/move_disk`,
          params: {
            disk,
            "target-vmid": target.vmid,
            "target-disk": target.disk,
            "target-digest": target.digest,
          },
          needs: [{ path: `/vms/${target.vmid}`, privileges: ["VM.Config.Disk"] }],
          task: { node: vm.node, type: "qmmove", id: `${vm.vmid}-${disk}>${target.vmid}-${target.disk}` },
        },
        options,
      ),
  };
}

export type PveDisks = ReturnType<typeof createDisks>;
