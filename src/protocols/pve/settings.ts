import { type CallOptions, changeTask, type Params, type PveApi, startTask } from "./api.ts";
import { guestPath } from "./guests.ts";
import { taskType } from "./power.ts";
import type { Upid } from "./upid.ts";
import type { GuestRef } from "./vmid.ts";

export interface SettingsChange {
  /** As the API takes them; set tags of a new guest here, not while creating it in a pool. */
  set?: Params;
  /** Settings to take back to their default; a disk named here is detached and becomes `unusedN`. */
  remove?: readonly string[];
  /** Of the configuration this change was thought up on: refused when another has changed it since. */
  digest?: string | undefined;
}

const paramsOf = ({ set = {}, remove = [], digest }: SettingsChange): Params => ({
  ...set,
  delete: remove.length > 0 ? remove.join(",") : undefined,
  digest,
});

export function createSettings(api: PveApi) {
  return {
    /** Done when it returns. For disks use `disks`, whose work can outlast an answer. */
    set: async (guest: GuestRef, change: SettingsChange, options?: CallOptions): Promise<void> => {
      await api.change(
        {
          method: "PUT",
          path: `${guestPath(guest)}/config`,
          params: paramsOf(change),
          // The same values twice are the same values; with a digest the second would be refused.
          repeatable: change.digest === undefined,
        },
        options,
      );
    },
    /** The same as a task, which is the way to add and drop a VM's disks and drives. */
    setAsTask: (
      guest: GuestRef & { kind: "qemu" },
      change: SettingsChange,
      options?: CallOptions,
    ): Promise<Upid> =>
      startTask(
        api,
        {
          method: "POST",
          path: `${guestPath(guest)}/config`,
          params: paramsOf(change),
          task: { node: guest.node, type: taskType(guest, "config"), id: String(guest.vmid) },
        },
        options,
      ),
    /** `size`: `32G` for that much, `+4G` for so much more. PVE 7 is done when it answers: no task then. */
    resize: (
      guest: GuestRef,
      disk: string,
      size: string,
      how: { digest?: string } = {},
      options?: CallOptions,
    ): Promise<Upid | undefined> =>
      changeTask(
        api,
        {
          method: "PUT",
          path: `${guestPath(guest)}/resize`,
          params: { disk, size, digest: how.digest },
          needs: [{ path: `/vms/${guest.vmid}`, privileges: ["VM.Config.Disk"] }],
          task: { node: guest.node, type: "resize", id: String(guest.vmid) },
        },
        options,
      ),
  };
}

export type PveSettings = ReturnType<typeof createSettings>;
