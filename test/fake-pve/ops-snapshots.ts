import { refuse } from "./failure.ts";
import { type Call, type Operation, upid } from "./operation.ts";
import { boolean, configId, node, required, string, vmid } from "./params.ts";
import type { Guest, Kind } from "./world.ts";

const anyVmid = required(vmid());
const snapname = required(configId());
const prefix = (kind: Kind) => (kind === "qemu" ? "qm" : "vz");

function named(guest: Guest, name: string) {
  const found = guest.snapshots.find((snapshot) => snapshot.name === name);
  if (!found) throw refuse(`snapshot '${name}' does not exist`);
  return found;
}

/** Raw files of a directory storage cannot be snapshotted. */
function canSnapshot(call: Call, guest: Guest): boolean {
  const volids = Object.entries(guest.config)
    .filter(([key]) => /^(scsi|virtio|sata|ide|rootfs|mp)\d*$/.test(key))
    .map(([, value]) => String(value))
    .filter((value) => !value.includes("media=cdrom"))
    .map((value) => value.split(",")[0] ?? "");
  return volids.every((volid) => call.world.volume(volid)?.format !== "raw");
}

function inTask(
  call: Call,
  kind: Kind,
  verb: string,
  work: (guest: Guest, log: (line: string) => void) => void,
): string {
  return call.task(`${prefix(kind)}${verb}`, call.vmid, async (worker) => {
    await call.world.withLockFile(
      { vmid: call.vmid, kind },
      () => {
        const guest = call.guest(kind);
        call.world.checkLock(guest);
        work(guest, (line) => worker.log(line));
      },
      worker,
    );
  });
}

function perKind(kind: Kind): Operation[] {
  const base = `/nodes/{node}/${kind}/{vmid}/snapshot`;
  return [
    {
      method: "POST",
      path: base,
      params: {
        node,
        vmid: anyVmid,
        snapname,
        description: string(),
        ...(kind === "qemu" && { vmstate: boolean() }),
      },
      gate: (call) => call.demand(`/vms/${call.vmid}`, "VM.Snapshot"),
      returns: upid,
      run: (call) => {
        const name = call.text("snapname");
        if (name === "current") throw refuse("unable to use snapshot name 'current' (reserved name)");
        return inTask(call, kind, "snapshot", (guest, log) => {
          if (!canSnapshot(call, guest)) throw refuse("snapshot feature is not available");
          if (guest.snapshots.some((snapshot) => snapshot.name === name)) {
            throw refuse(`snapshot name '${name}' already used`);
          }
          for (const [key, value] of Object.entries(guest.config)) {
            if (/^(scsi|virtio|sata)\d+$/.test(key))
              log(`snapshotting 'drive-${key}' (${String(value).split(",")[0]})`);
          }
          guest.snapshots.push({
            name,
            description: call.text("description"),
            snaptime: call.world.now(),
            parent: guest.snapshots.at(-1)?.name,
            vmstate: call.bool("vmstate"),
            config: { ...guest.config },
          });
        });
      },
    },
    {
      method: "DELETE",
      path: `${base}/{snapname}`,
      params: { node, vmid: anyVmid, snapname, force: boolean() },
      gate: (call) => call.demand(`/vms/${call.vmid}`, "VM.Snapshot"),
      returns: upid,
      run: (call) => {
        return inTask(call, kind, "delsnapshot", (guest) => {
          const gone = named(guest, call.text("snapname"));
          guest.snapshots = guest.snapshots.filter((snapshot) => snapshot !== gone);
        });
      },
    },
    {
      method: "POST",
      path: `${base}/{snapname}/rollback`,
      params: { node, vmid: anyVmid, snapname, start: boolean() },
      gate: (call) => call.demand(`/vms/${call.vmid}`, "VM.Snapshot", "VM.Snapshot.Rollback"),
      returns: upid,
      run: (call) => {
        return inTask(call, kind, "rollback", (guest) => {
          const snapshot = named(guest, call.text("snapname"));
          guest.config = { ...snapshot.config };
          call.world.setRunning(guest, call.bool("start") || snapshot.vmstate);
        });
      },
    },
  ];
}

export const snapshotOperations: Operation[] = [...perKind("qemu"), ...perKind("lxc")];
