import { refuse } from "./failure.ts";
import { skiplock } from "./guest-settings.ts";
import { type Call, type Operation, upid } from "./operation.ts";
import { boolean, integer, node, type Param, required, storageId, string, vmid } from "./params.ts";
import type { Worker } from "./tasks.ts";
import type { Guest, Kind } from "./world.ts";

const anyVmid = required(vmid());

interface Verb {
  kind: Kind;
  verb: string;
  params: Record<string, Param>;
  /** These say no at once when the guest is not running; the others start a task that fails. */
  mustRun?: boolean;
  work: (call: Call, guest: Guest, worker: Worker) => Promise<void> | void;
}

function start({ world }: Call, guest: Guest): void {
  if (guest.config.template === 1) throw refuse("you can't start a vm if it's a template");
  if (guest.running) throw refuse(`${guest.kind === "qemu" ? "VM" : "CT"} ${guest.vmid} already running`);
  world.setRunning(guest, true);
}

function stop({ world }: Call, guest: Guest): void {
  if (!guest.running) return;
  world.setRunning(guest, false);
  if (world.stopCleanupMs > 0) queueMicrotask(() => world.holdLockFile(guest, world.stopCleanupMs));
}

async function shutdown(call: Call, guest: Guest, worker: Worker): Promise<void> {
  if (!guest.running) throw refuse(`${guest.kind === "qemu" ? "VM" : "CT"} ${guest.vmid} not running`);
  if (guest.acpi) {
    await worker.spend(500);
    return stop(call, guest);
  }
  await worker.spend(call.int("timeout", 60) * 1000);
  if (!call.bool("forceStop")) throw refuse("VM quit/powerdown failed - got timeout");
  worker.log("VM still running - terminating now with SIGTERM");
  stop(call, guest);
}

const verbs: Verb[] = [
  {
    kind: "qemu",
    verb: "start",
    params: {
      skiplock,
      timeout: integer({ min: 0 }),
      targetstorage: string(),
      "force-cpu": string(),
      "nets-host-mtu": string({ since: 9, pattern: "net\\d+=\\d+(,net\\d+=\\d+)*" }),
    },
    work: start,
  },
  { kind: "lxc", verb: "start", params: { skiplock, debug: boolean() }, work: start },
  {
    kind: "qemu",
    verb: "stop",
    params: {
      skiplock,
      timeout: integer({ min: 0 }),
      keepActive: boolean(),
      "overrule-shutdown": boolean({ since: 8 }),
    },
    work: stop,
  },
  { kind: "lxc", verb: "stop", params: { skiplock, "overrule-shutdown": boolean({ since: 8 }) }, work: stop },
  {
    kind: "qemu",
    verb: "shutdown",
    params: { skiplock, timeout: integer({ min: 0 }), forceStop: boolean(), keepActive: boolean() },
    work: shutdown,
  },
  {
    kind: "lxc",
    verb: "shutdown",
    params: { timeout: integer({ min: 0 }), forceStop: boolean() },
    work: shutdown,
  },
  { kind: "qemu", verb: "reset", params: { skiplock }, mustRun: true, work: () => {} },
  {
    kind: "qemu",
    verb: "suspend",
    params: { skiplock, todisk: boolean(), statestorage: storageId() },
    mustRun: true,
    work: (_, guest) => {
      guest.paused = true;
    },
  },
  {
    kind: "qemu",
    verb: "resume",
    params: { skiplock, nocheck: boolean() },
    mustRun: true,
    work: (_, guest) => {
      guest.paused = false;
    },
  },
  {
    kind: "lxc",
    verb: "suspend",
    params: {},
    work: (_, guest) => {
      if (!guest.running) throw refuse(`CT ${guest.vmid} not running`);
      guest.paused = true;
    },
  },
  {
    kind: "lxc",
    verb: "resume",
    params: {},
    work: (_, guest) => {
      guest.paused = false;
    },
  },
];

export const powerOperations: Operation[] = verbs.map(({ kind, verb, params, mustRun, work }) => ({
  method: "POST",
  path: `/nodes/{node}/${kind}/{vmid}/status/${verb}`,
  params: { node, vmid: anyVmid, ...params },
  gate: (call) => call.demand(`/vms/${call.vmid}`, "VM.PowerMgmt"),
  returns: upid,
  run: (call) => {
    if (mustRun && !call.guest(kind).running) throw refuse(`VM ${call.vmid} not running`);
    // Even of a guest that is not there: the task finds out.
    return call.task(`${kind === "qemu" ? "qm" : "vz"}${verb}`, call.vmid, (worker) =>
      call.world.withLockFile(
        { vmid: call.vmid, kind },
        async () => {
          const guest = call.guest(kind);
          call.world.checkLock(guest);
          await work(call, guest, worker);
        },
        worker,
      ),
    );
  },
}));
