import { type CallOptions, type Params, type PveApi, startTask } from "./api.ts";
import { guestPath } from "./guests.ts";
import type { Upid } from "./upid.ts";
import type { GuestRef } from "./vmid.ts";

type PowerVerb = "start" | "stop" | "shutdown" | "reset" | "suspend" | "resume";

/** The type of a guest's tasks: `qmstart`, `vzstart`. */
export const taskType = (guest: GuestRef, verb: string) => `${guest.kind === "qemu" ? "qm" : "vz"}${verb}`;

export function createPower(api: PveApi) {
  const run = (guest: GuestRef, verb: PowerVerb, params: Params, options?: CallOptions): Promise<Upid> =>
    startTask(
      api,
      {
        method: "POST",
        path: `${guestPath(guest)}/status/${verb}`,
        params,
        needs: [{ path: `/vms/${guest.vmid}`, privileges: ["VM.PowerMgmt"] }],
        task: { node: guest.node, type: taskType(guest, verb), id: String(guest.vmid) },
      },
      options,
    );

  return {
    start: (guest: GuestRef, options?: CallOptions) => run(guest, "start", {}, options),
    /** Pulls the plug. */
    stop: (guest: GuestRef, options?: CallOptions) => run(guest, "stop", {}, options),
    /** Asks the guest; after `timeoutS` the task fails, or with `force` pulls the plug. */
    shutdown: (guest: GuestRef, how: { timeoutS?: number; force?: boolean } = {}, options?: CallOptions) =>
      run(guest, "shutdown", { timeout: how.timeoutS, forceStop: how.force }, options),
    /** VMs only. */
    reset: (guest: GuestRef & { kind: "qemu" }, options?: CallOptions) => run(guest, "reset", {}, options),
    suspend: (guest: GuestRef, options?: CallOptions) => run(guest, "suspend", {}, options),
    resume: (guest: GuestRef, options?: CallOptions) => run(guest, "resume", {}, options),
  };
}

export type PvePower = ReturnType<typeof createPower>;
