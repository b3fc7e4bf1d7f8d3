import { AppError } from "../../platform/errors.ts";
import { type CallOptions, type PveApi, route, startTask } from "./api.ts";
import { guestPath } from "./guests.ts";
import { taskType } from "./power.ts";
import type { Upid } from "./upid.ts";
import type { GuestRef } from "./vmid.ts";

/** Two to forty characters, a letter first; `current` is Proxmox's own. */
export function checkSnapshotName(name: string): string {
  if (/^[A-Za-z][A-Za-z0-9_-]{1,39}$/.test(name) && name !== "current") return name;
  throw new AppError("invalid", `'${name.slice(0, 60)}' cannot be the name of a snapshot`, {
    hint: "2 to 40 letters, digits, '-' and '_', a letter first, and not 'current'",
  });
}

export function createSnapshots(api: PveApi) {
  const change = (guest: GuestRef, verb: string) => ({
    needs: [{ path: `/vms/${guest.vmid}`, privileges: ["VM.Snapshot"] }],
    task: { node: guest.node, type: taskType(guest, verb), id: String(guest.vmid) },
  });
  const pathOf = (guest: GuestRef, name: string) =>
    `${guestPath(guest)}/snapshot${route`/${checkSnapshotName(name)}`}`;

  return {
    /** `vmstate` saves the memory too (VMs only). */
    take: (
      guest: GuestRef,
      snapshot: { name: string; description?: string; vmstate?: boolean },
      options?: CallOptions,
    ): Promise<Upid> => {
      const { name, description, vmstate } = snapshot;
      const params = { snapname: checkSnapshotName(name), description, vmstate };
      return startTask(
        api,
        { method: "POST", path: `${guestPath(guest)}/snapshot`, params, ...change(guest, "snapshot") },
        options,
      );
    },
    rollback: (
      guest: GuestRef,
      name: string,
      how: { start?: boolean } = {},
      options?: CallOptions,
    ): Promise<Upid> =>
      startTask(
        api,
        {
          method: "POST",
          path: `${pathOf(guest, name)}/rollback`,
          params: { start: how.start },
          ...change(guest, "rollback"),
        },
        options,
      ),
    remove: (guest: GuestRef, name: string, options?: CallOptions): Promise<Upid> =>
      startTask(
        api,
        { method: "DELETE", path: pathOf(guest, name), ...change(guest, "delsnapshot") },
        options,
      ),
  };
}

export type PveSnapshots = ReturnType<typeof createSnapshots>;
