import type { World } from "./world.ts";

/** The tokens of the seeded lab; made up, and of no use anywhere else. */
export const tokens = {
  /** Without privilege separation. */
  full: "lab@pve!full=11111111-2222-4333-8444-555555555555",
  /** With it: rights only where they were given. */
  appliance: "lab@pve!appliance=66666666-7777-4888-9999-aaaaaaaaaaaa",
  root: "root@pam!root=bbbbbbbb-cccc-4ddd-8eee-ffffffffffff",
} as const;

const secretOf = (token: string) => token.slice(token.indexOf("=") + 1);

/** Storages, a template (9000), a VM that runs (101), a container (200), a pool, and three tokens. */
export function seedLab(world: World): void {
  const node = [...world.nodes.keys()][0] ?? "pve1";
  world.addStorage(
    "local",
    ["import", "rootdir", "iso", "images", "snippets", "vztmpl", "backup"].filter(
      (kind) => world.major >= 8 || kind !== "import",
    ),
  );
  world.addStorage("store2", ["rootdir", "images", "backup"]);
  world.addVolume("local:9000/base-9000-disk-0.qcow2");
  world.addVolume("local:9000/base-9000-disk-0.qcow2/101/vm-101-disk-0.qcow2", {
    vmid: 101,
    parent: "../9000/base-9000-disk-0.qcow2",
  });
  world.addVolume("local:vztmpl/debian-13-standard_13.0-1_amd64.tar.zst", {
    content: "vztmpl",
    format: "tzst",
    vmid: undefined,
  });
  world.addVolume("local:iso/agent.iso", { content: "iso", format: "iso", vmid: undefined });
  world.addVolume("local:200/vm-200-disk-0.raw");
  const shared = {
    memory: 128,
    cores: 1,
    ostype: "l26",
    onboot: 0,
    boot: "order=scsi0;net0",
    agent: "1",
    meta: "creation-qemu=10.0.13,ctime=1700000000",
  };
  world.addGuest({
    vmid: 9000,
    node,
    config: {
      ...shared,
      name: "tmpl",
      template: 1,
      scsi0: "local:9000/base-9000-disk-0.qcow2,size=1G",
      net0: `virtio=${world.newMac()},bridge=vmbr0`,
    },
  });
  const vm = world.addGuest({
    vmid: 101,
    node,
    config: {
      ...shared,
      name: "c1",
      scsi0: "local:9000/base-9000-disk-0.qcow2/101/vm-101-disk-0.qcow2,size=1G",
      net0: `virtio=${world.newMac()},bridge=vmbr0`,
      smbios1: "uuid=b828a203-0000-4000-8000-000000000101",
      vmgenid: "8588a8f3-0000-4000-8000-000000000101",
    },
  });
  world.setRunning(vm, true);
  world.addGuest({
    vmid: 200,
    kind: "lxc",
    node,
    config: {
      hostname: "ct1",
      arch: "amd64",
      memory: 256,
      swap: 512,
      ostype: "debian",
      unprivileged: 1,
      rootfs: "local:200/vm-200-disk-0.raw,size=1G",
      net0: `name=eth0,bridge=vmbr0,hwaddr=${world.newMac()},ip=10.77.2.1/16,type=veth`,
    },
  });
  seedRights(world, node);
}

function seedRights(world: World, node: string): void {
  const { rights, major } = world;
  const agent = major >= 9 ? "VM.GuestAgent.Audit" : "VM.Monitor";
  const guest = [
    "VM.Allocate",
    "VM.Audit",
    "VM.Backup",
    "VM.Clone",
    "VM.PowerMgmt",
    "VM.Snapshot",
    "VM.Snapshot.Rollback",
    agent,
  ];
  const config = ["CDROM", "CPU", "Cloudinit", "Disk", "HWType", "Memory", "Network", "Options"].map(
    (name) => `VM.Config.${name}`,
  );
  rights.addRole("Guests", [...guest, ...config, "Pool.Audit"]);
  rights.addRole("Space", ["Datastore.AllocateSpace", "Datastore.Audit"]);
  rights.addRole("Node", ["Sys.Audit"]);
  if (major >= 8) rights.addRole("Bridge", ["SDN.Use", "SDN.Audit"]);
  rights.addRole("Everything", [
    ...guest,
    ...config,
    "Pool.Audit",
    "Datastore.AllocateSpace",
    "Datastore.Audit",
    "Sys.Audit",
    ...(major >= 8 ? ["SDN.Use"] : []),
  ]);
  rights.pools.set("lab", { comment: "the lab's guests", vms: new Set([9000]), storages: new Set() });

  rights.addToken("root@pam", "root", { secret: secretOf(tokens.root), privsep: false, expire: 0 });
  rights.grant("/", "root@pam", "Administrator");
  rights.addToken("lab@pve", "full", { secret: secretOf(tokens.full), privsep: false, expire: 0 });
  rights.addToken("lab@pve", "appliance", { secret: secretOf(tokens.appliance), privsep: true, expire: 0 });
  rights.grant("/", "lab@pve", "Everything");
  grantAppliance(world, node);
}

/** The least that the life of a sandbox takes: the token's rights, besides its owner's. */
export function grantAppliance({ rights, major }: World, node: string): void {
  const token = "lab@pve!appliance";
  rights.grant("/pool/lab", token, "Guests");
  for (const storage of ["local", "store2"]) rights.grant(`/storage/${storage}`, token, "Space");
  rights.grant(`/nodes/${node}`, token, "Node");
  if (major >= 8) rights.grant("/sdn/zones/localnetwork/vmbr0", token, "Bridge");
}
