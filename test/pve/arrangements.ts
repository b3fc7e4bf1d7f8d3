import type { Config, Guest, World } from "../fake-pve/world.ts";

type Arrange = (world: World) => void | Promise<void>;

const all =
  (...parts: Arrange[]): Arrange =>
  async (world) => {
    for (const part of parts) await part(world);
  };

/** Before the token was given anything. */
const noRights: Arrange = ({ rights }) => {
  rights.acl = rights.acl.filter(({ who }) => who !== "lab@pve!appliance");
};
/** With guests and storage, and no more. */
const noRight =
  (path: string): Arrange =>
  ({ rights }) => {
    rights.acl = rights.acl.filter((entry) => entry.who !== "lab@pve!appliance" || entry.path !== path);
  };
const outOfPool: Arrange = ({ rights }) => rights.pools.get("lab")?.vms.clear();

const vm =
  (vmid: number, config: Config = {}, rest: Partial<Guest> = {}): Arrange =>
  (world) => {
    world.addGuest({ vmid, config: { name: `vm${vmid}`, memory: 64, ...config }, ...rest });
  };
const inLab =
  (vmid: number): Arrange =>
  ({ rights }) => {
    rights.pools.get("lab")?.vms.add(vmid);
  };
const lxc = (vmid: number): Arrange => vm(vmid, { hostname: `ct${vmid}` }, { kind: "lxc" });
const gone =
  (vmid: number): Arrange =>
  (world) => {
    world.guests.delete(vmid);
  };
const set =
  (vmid: number, config: Config): Arrange =>
  (world) => {
    Object.assign(world.guests.get(vmid)?.config ?? {}, config);
  };
const running =
  (vmid: number, is = true): Arrange =>
  (world) => {
    const guest = world.guests.get(vmid);
    if (guest) world.setRunning(guest, is);
  };
const agent =
  (vmid: number): Arrange =>
  (world) => {
    const guest = world.guests.get(vmid);
    if (guest) guest.agent = { up: true, addresses: ["10.77.1.42/16"] };
  };
const volume =
  (volid: string, content = "images"): Arrange =>
  (world) => {
    world.addVolume(volid, { content });
  };
const snapshot =
  (vmid: number, name: string): Arrange =>
  (world) => {
    const guest = world.guests.get(vmid);
    guest?.snapshots.push({
      name,
      description: "",
      snaptime: 1,
      parent: undefined,
      vmstate: false,
      config: { ...guest.config },
    });
  };
/** Somebody has the lock file, for longer than anyone waits. */
const busy =
  (vmid: number): Arrange =>
  (world) => {
    world.holdLockFile({ vmid, kind: "qemu" }, 60_000);
  };
const deaf =
  (vmid: number): Arrange =>
  (world) => {
    const guest = world.guests.get(vmid);
    if (guest) guest.acpi = false;
  };
const onStore2 = {
  name: "full",
  scsi0: "store2:103/vm-103-disk-0.qcow2,size=3G",
  scsi2: "store2:103/vm-103-disk-1.qcow2,size=1G",
};
const full103 = all(
  vm(103, onStore2),
  volume("store2:103/vm-103-disk-0.qcow2"),
  volume("store2:103/vm-103-disk-1.qcow2"),
);
const locked103 = all(full103, set(103, { lock: "clone" }));
const vm110 = all(vm(110, { agent: "1" }), running(110), agent(110));
const vm102 = vm(102);
const stopped101 = running(101, false);
const spare = all(
  volume("store2:101/vm-101-disk-8.qcow2"),
  volume("store2:101/vm-101-disk-0.qcow2"),
  volume("store2:7777/vm-7777-disk-0.qcow2"),
  volume("store2:103/vm-103-disk-1.qcow2"),
);
const pair = all(
  vm(500, { scsi1: "store2:500/vm-500-disk-0.qcow2,size=1G" }),
  vm(590, { scsi0: "store2:590/vm-590-disk-0.qcow2,size=1G" }),
  volume("store2:500/vm-500-disk-0.qcow2"),
  volume("store2:590/vm-590-disk-0.qcow2"),
  inLab(500),
  inLab(590),
);
const onHolder: Arrange = all(pair, (world) => {
  delete world.guests.get(500)?.config.scsi1;
});
const onSandbox: Arrange = all(pair, (world) => {
  delete world.guests.get(590)?.config.scsi0;
});
const archive = "store2:backup/vzdump-lxc-200-2026_11_21-00_16_14.tar.zst";
const backup: Arrange = (world) => {
  world.addVolume(archive, {
    content: "backup",
    vmid: 200,
    backupOf: { kind: "lxc", config: { rootfs: "local:200/vm-200-disk-0.raw" } },
  });
};

/** What has to be so, beyond the seeded lab, for a recorded exchange to come out as it did. */
export const arrangements: Record<string, Arrange> = {
  "403-clone": all(noRights, outOfPool),
  "403-node-status": noRights,
  "403-snapshot": noRights,
  "403-storage-content": noRights,
  "403-vzdump": noRights,
  "403-cdrom": volume("local:iso/agent.iso", "iso"),
  "agent-network-get-interfaces": vm110,
  "agent-shutdown": vm110,
  "agent-status-current": vm110,
  "attach-existing": spare,
  "attach-foreign-owner": spare,
  "backup-delete": backup,
  "clone-into-pool-403": outOfPool,
  "config-103-after-reassign": full103,
  "config-103-after-unlink": full103,
  "config-103-before-unlink": full103,
  "config-protection-clear": set(101, { lock: "snapshot" }),
  "create-agent-vm": vm110,
  "create-existing": busy(101),
  "create-in-pool-403": noRight("/pool/lab"),
  "create-in-pool-with-disk-403": noRight("/storage/store2"),
  "create-with-net-403": noRight("/sdn/zones/localnetwork/vmbr0"),
  "delete-103": full103,
  "delete-agent-vm-stop": vm110,
  "delete-in-pool": all(vm(300), inLab(300)),
  "delete-protected": all(stopped101, set(101, { protection: 1 })),
  "delete-purge": vm102,
  "detach-then-unlink": full103,
  "locked-clone": locked103,
  "locked-config": locked103,
  "locked-delete": locked103,
  "locked-resize": locked103,
  "locked-setconfig": locked103,
  "locked-snapshot": locked103,
  "locked-start": locked103,
  "locked-status": locked103,
  "locked-target-config": locked103,
  "locked-target-status": locked103,
  "locked-target-setconfig": full103,
  "locked-target-start": full103,
  "locked-vzdump": locked103,
  "lxc-create": gone(200),
  "lxc-create-existing": () => {},
  "lxc-delete": lxc(202),
  "lxc-delete-203": lxc(203),
  "lxc-delete-running": running(200),
  "lxc-delete-running-force": running(200),
  "lxc-interfaces": running(200),
  "lxc-restore": backup,
  "lxc-restore-overwrite-noforce": all(backup, lxc(203)),
  "min-clone-without-pool-403": () => {},
  "min-config": pair,
  "min-delsnap": all(pair, snapshot(500, "clean")),
  "min-destroy-holder": pair,
  "min-destroy-with-ws": pair,
  "min-rollback": all(pair, snapshot(500, "clean")),
  "min-snapshot": pair,
  "min-start": pair,
  "min-status": pair,
  "min-stop": pair,
  "min-ws-attach": onHolder,
  "min-ws-attach2": onHolder,
  "min-ws-attached": pair,
  "min-ws-back": pair,
  "min-ws-detach-back": onSandbox,
  "min-ws-disk": onSandbox,
  "min-ws-tags": pair,
  "qemu-create-with-ct-vmid": () => {},
  "race-create-b": vm(150),
  "race-delete-a": vm(160),
  "race-qemu-lxc-b": vm(151),
  "reassign-disk": all(
    full103,
    set(103, { scsi3: "x" }),
    set(101, { scsi2: "store2:101/vm-101-disk-0.qcow2" }),
    spare,
  ),
  "reassign-unused-to-scsi": all(full103, set(101, { unused0: "store2:101/vm-101-disk-0.qcow2" }), spare),
  "reassign-unused-to-unused": full103,
  "resize-shrink": ({ storages }) => {
    for (const volume of storages.get("local")?.volumes.values() ?? []) volume.size *= 2;
  },
  "resume-stopped": vm102,
  suspend: vm102,
  "shutdown-force": all(vm102, running(102), deaf(102)),
  "shutdown-noos": all(vm102, running(102), deaf(102)),
  "shutdown-timeout": vm102,
  "smbios-serial-nocloud": pair,
  "snap-config": snapshot(101, "clean"),
  "snap-create-dup": snapshot(101, "clean"),
  "snap-delete": snapshot(101, "clean"),
  "snap-rollback": snapshot(101, "clean"),
  "snap-rollback-start": snapshot(101, "clean"),
  "start-101": stopped101,
  "start-agent-vm": all(vm110, running(110, false)),
  "start-already-running": busy(101),
  "stop-101b": set(101, { lock: "snapshot" }),
  "unlocked-config": full103,
  unlink: all(full103, set(103, { unused0: "store2:103/vm-103-disk-1.qcow2" })),
  "vol-delete-root": spare,
  "ws-reassign-while-running": all(onSandbox, running(500)),
};
