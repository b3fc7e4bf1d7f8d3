import { afterEach, expect, test } from "bun:test";
import type { PveClient } from "../../src/protocols/pve/client.ts";
import { cloudInitDrive, cloudInitSettings } from "../../src/protocols/pve/cloud-init.ts";
import { isUpid } from "../../src/protocols/pve/upid.ts";
import { type GuestRef, parseVmid } from "../../src/protocols/pve/vmid.ts";
import { createFakePve, type FakePve } from "../fake-pve/fake.ts";
import { seedLab, tokens } from "../fake-pve/lab.ts";
import { operations } from "../fake-pve/operations.ts";
import { connect } from "./connect.ts";

const node = "pve1";
const vm = { kind: "qemu", node, vmid: parseVmid(101) } as const satisfies GuestRef;
const template = { kind: "qemu", node, vmid: parseVmid(9000) } as const satisfies GuestRef;
const ct = { kind: "lxc", node, vmid: parseVmid(200) } as const satisfies GuestRef;
const isoSource = {
  filename: "x.iso",
  size: 2,
  open: async function* () {
    yield new Uint8Array(2);
  },
};
const cloud = cloudInitSettings({
  user: "lab",
  sshKeys: [`ssh-ed25519 ${"A".repeat(68)} a b`],
  network: ["dhcp"],
  nameserver: "10.0.0.1",
});

type Calls = Record<string, (pve: PveClient) => Promise<unknown>>;

/** Every read there is. */
const reads: Calls = {
  version: (pve) => pve.cluster.version(),
  nodes: (pve) => pve.cluster.nodes(),
  "node status": (pve) => pve.cluster.nodeStatus(node),
  resources: (pve) => pve.cluster.resources(),
  "resources of a type": (pve) => pve.cluster.resources("storage"),
  pools: (pve) => pve.cluster.pools(),
  "pool members": (pve) => pve.cluster.poolMembers("lab"),
  "next vmid": (pve) => pve.cluster.nextVmid(),
  "is free": (pve) => pve.cluster.isFree(parseVmid(101)),
  "QEMU list": (pve) => pve.guests.list(node, "qemu"),
  "LXC list": (pve) => pve.guests.list(node, "lxc"),
  find: (pve) => pve.guests.find(vm.vmid),
  "VM status": (pve) => pve.guests.status(vm),
  "container status": (pve) => pve.guests.status(ct),
  "VM configuration": (pve) => pve.guests.config(vm),
  "container configuration": (pve) => pve.guests.config(ct),
  "VM snapshots": (pve) => pve.guests.snapshots(vm),
  "container snapshots": (pve) => pve.guests.snapshots(ct),
  "configuration of a snapshot": (pve) => pve.guests.config(vm, "first"),
  "guest agent": (pve) => pve.guests.interfaces(vm),
  "container interfaces": (pve) => pve.guests.interfaces(ct),
  storages: (pve) => pve.storage.list(),
  "node storage": (pve) => pve.storage.onNode(node),
  content: (pve) => pve.storage.content({ node, storage: "local" }, { content: "images", vmid: 101 }),
  tasks: (pve) => pve.tasks.list(node, { source: "all", limit: 10, typefilter: "qmstop" }),
  permissions: (pve) => pve.access.permissions(),
};

const running = (world: FakePve["world"], vmid: number, is: boolean) => {
  const guest = world.guests.get(vmid);
  if (guest) world.setRunning(guest, is);
};

/** Every change there is, each on a fresh cluster. */
const changes: Record<
  string,
  { call: (pve: PveClient) => Promise<unknown>; arrange?: (fake: FakePve) => void; sync?: boolean }
> = {
  "clone, linked": {
    call: (pve) =>
      pve.provisioning.clone(template, { newVmid: parseVmid(300), name: "a", pool: "lab", description: "d" }),
  },
  "clone, full, to a storage and a node": {
    call: (pve) =>
      pve.provisioning.clone(template, {
        newVmid: parseVmid(300),
        full: true,
        storage: "store2",
        format: "qcow2",
        targetNode: "pve2",
      }),
  },
  "clone of a container": {
    call: (pve) => pve.provisioning.clone(ct, { newVmid: parseVmid(300), full: true, name: "ct2" }),
  },
  "create a VM": {
    call: (pve) =>
      pve.provisioning.createVm({
        node,
        vmid: parseVmid(300),
        settings: { memory: 64, cores: 1, scsi0: "store2:1", net0: "virtio,bridge=vmbr0", onboot: false },
      }),
  },
  "create a container": {
    call: (pve) =>
      pve.provisioning.createContainer({
        node,
        vmid: parseVmid(300),
        settings: {
          ostemplate: "local:vztmpl/debian-13-standard_13.0-1_amd64.tar.zst",
          rootfs: "local:1",
          unprivileged: true,
        },
      }),
  },
  "restore a container": {
    call: (pve) =>
      pve.provisioning.restore({
        node,
        kind: "lxc",
        vmid: parseVmid(300),
        archive: "store2:backup/x.tar.zst",
        storage: "local",
      }),
    arrange: ({ world }) =>
      world.addVolume("store2:backup/x.tar.zst", {
        content: "backup",
        backupOf: { kind: "lxc", config: { rootfs: "local:200/vm-200-disk-0.raw" } },
      }),
  },
  "restore a VM": {
    call: (pve) =>
      pve.provisioning.restore({
        node,
        kind: "qemu",
        vmid: parseVmid(300),
        archive: "store2:backup/x.vma.zst",
        storage: "store2",
        pool: "lab",
      }),
    arrange: ({ world }) =>
      world.addVolume("store2:backup/x.vma.zst", {
        content: "backup",
        backupOf: { kind: "qemu", config: { scsi0: "local:101/vm-101-disk-0.qcow2" } },
      }),
  },
  "set configuration": {
    call: (pve) => pve.settings.set(vm, { set: { ...cloud, cores: 2, onboot: true }, remove: ["agent"] }),
    sync: true,
  },
  "set a container's configuration": {
    call: (pve) => pve.settings.set(ct, { set: { memory: 512, hostname: "x" } }),
    sync: true,
  },
  "set configuration as a task": {
    call: (pve) => pve.settings.setAsTask(vm, { set: cloudInitDrive("local") }),
  },
  "resize a disk": { call: (pve) => pve.settings.resize(vm, "scsi0", "+1G") },
  "resize a container's disk": { call: (pve) => pve.settings.resize(ct, "rootfs", "+1G") },
  start: { call: (pve) => pve.power.start(vm), arrange: ({ world }) => running(world, 101, false) },
  stop: { call: (pve) => pve.power.stop(vm) },
  shutdown: { call: (pve) => pve.power.shutdown(vm, { timeoutS: 5, force: true }) },
  reset: { call: (pve) => pve.power.reset(vm) },
  suspend: { call: (pve) => pve.power.suspend(vm) },
  resume: { call: (pve) => pve.power.resume(vm) },
  "start a container": {
    call: (pve) => pve.power.start(ct),
    arrange: ({ world }) => running(world, 200, false),
  },
  "stop a container": { call: (pve) => pve.power.stop(ct) },
  "shut a container down": { call: (pve) => pve.power.shutdown(ct, { force: false }) },
  "suspend a container": { call: (pve) => pve.power.suspend(ct) },
  "resume a container": { call: (pve) => pve.power.resume(ct) },
  destroy: {
    call: (pve) => pve.provisioning.destroy(vm, { purge: true, unreferencedDisks: true }),
    arrange: ({ world }) => running(world, 101, false),
  },
  "destroy a container": { call: (pve) => pve.provisioning.destroy(ct, { purge: true, force: true }) },
  snapshot: { call: (pve) => pve.snapshots.take(vm, { name: "second", description: "d", vmstate: true }) },
  "snapshot of a container": {
    call: (pve) => pve.snapshots.take(ct, { name: "second" }),
    arrange: ({ world }) => Object.assign(world.guests.get(200)?.config ?? {}, { rootfs: "none" }),
  },
  rollback: { call: (pve) => pve.snapshots.rollback(vm, "first", { start: true }) },
  "roll a container back": { call: (pve) => pve.snapshots.rollback(ct, "first") },
  "delete a snapshot": { call: (pve) => pve.snapshots.remove(vm, "first") },
  "delete a container's snapshot": { call: (pve) => pve.snapshots.remove(ct, "first") },
  vzdump: {
    call: (pve) =>
      pve.provisioning.vzdump(vm, { storage: "store2", mode: "snapshot", compress: "zstd", notes: "n" }),
  },
  migrate: {
    call: (pve) =>
      pve.provisioning.migrate(vm, {
        target: "pve2",
        online: true,
        localDisks: true,
        targetStorage: "store2",
      }),
  },
  "migrate a container": {
    call: (pve) => pve.provisioning.migrate(ct, { target: "pve2", online: true, targetStorage: "store2" }),
  },
  "attach a new disk": { call: (pve) => pve.disks.attachNew(vm, "scsi3", { storage: "store2", sizeGib: 1 }) },
  "attach a volume": {
    call: (pve) => pve.disks.attach(vm, "scsi3", "store2:101/vm-101-disk-5.qcow2"),
    arrange: ({ world }) => world.addVolume("store2:101/vm-101-disk-5.qcow2"),
  },
  "detach a disk": { call: (pve) => pve.disks.detach(vm, "scsi0") },
  "unlink a disk": { call: (pve) => pve.disks.unlink(vm, "unused0"), sync: true },
  "move a disk": {
    call: (pve) =>
      pve.disks.moveToStorage(vm, "scsi0", { storage: "store2", format: "raw", deleteSource: true }),
  },
  "move a container's volume": {
    call: (pve) => pve.disks.moveToStorage(ct, "rootfs", { storage: "store2", deleteSource: true }),
  },
  "reassign a disk": {
    call: (pve) => pve.disks.reassign(vm, "scsi0", { vmid: template.vmid, disk: "scsi5" }),
    arrange: ({ world }) => running(world, 101, false),
  },
  upload: {
    call: (pve) =>
      pve.upload({ node, storage: "local", content: "iso", source: isoSource, sha256: "ab".repeat(32) }),
  },
  "delete a volume": { call: (pve) => pve.storage.remove(node, "local:iso/agent.iso") },
};

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(version: "7.4" | "8.4" | "9.2") {
  const fake = await createFakePve({ version, nodes: ["pve1", "pve2"], pace: 0.002, taskMs: 1 });
  const pve = connect(fake, { token: tokens.root });
  closing.push(
    () => pve.close(),
    () => fake.close(),
  );
  dressLab(fake);
  return { fake, pve };
}

/** The seeded lab as new, its guests running, with a snapshot and an agent. */
function dressLab(fake: FakePve): void {
  const { guests, storages, rights } = fake.world;
  for (const part of [guests, storages, rights.users, rights.pools]) part.clear();
  rights.acl = [];
  seedLab(fake.world);
  for (const vmid of [101, 200]) {
    const guest = fake.world.guests.get(vmid);
    if (!guest) continue;
    guest.agent = { up: true, addresses: ["10.0.0.7/24"] };
    guest.snapshots.push({
      name: "first",
      description: "d",
      snaptime: 1,
      parent: undefined,
      vmstate: false,
      config: { ...guest.config },
    });
    fake.world.setRunning(guest, true);
  }
}

const operationOf = (seen: { method: string; path: string }) =>
  operations.find(
    ({ method, path }) =>
      method === seen.method && new RegExp(`^${path.replace(/\{\w+\}/g, "[^/]+")}$`).test(seen.path),
  );

const covered = new Set<unknown>();
const versions = ["7.4", "8.4", "9.2"] as const;

test.each(versions)("on %s every read asks as it may and understands the answer", async (version) => {
  const { fake, pve } = await start(version);
  const old = version === "7.4";
  for (const [name, read] of Object.entries(reads)) {
    // PVE 7 has no such call.
    if (old && name === "container interfaces") continue;
    const found = await read(pve).catch((error) => {
      throw new Error(`${name}: ${error}`);
    });
    expect(found === undefined || found === null ? name : "answered").toBe("answered");
    covered.add(operationOf(fake.seen.at(-1) ?? { method: "", path: "" }));
  }
  expect(fake.seen.filter(({ status }) => status !== 200).map(({ path }) => path)).toEqual([
    "/cluster/nextid",
  ]);
});

test.each(versions)(
  "on %s every change is a request that the description allows, and its task ends well",
  async (version) => {
    const { fake, pve } = await start(version);
    for (const [name, { call, arrange, sync }] of Object.entries(changes)) {
      dressLab(fake);
      arrange?.(fake);
      const answer = await call(pve).catch((error) => {
        throw new Error(`${version}: ${name}: ${error}`);
      });
      covered.add(operationOf(fake.seen.at(-1) ?? { method: "", path: "" }));
      if (typeof answer === "string" && isUpid(answer)) {
        const end = await pve.waitTask(answer).catch((error) => error);
        expect(`${name}: ${end.exitstatus ?? end}`).toBe(`${name}: OK`);
        await pve.tasks.stop(answer);
        await pve.tasks.logTail(answer);
        for (const seen of fake.seen.slice(-4)) covered.add(operationOf(seen));
      } else expect(sync || version === "7.4" ? name : `${name}: no task`).toBe(name);
    }
  },
);

test("every operation the fake describes is one that the client makes", () => {
  const idle = operations
    .filter((operation) => !covered.has(operation))
    .map(({ method, path }) => `${method} ${path}`);
  expect(idle).toEqual([]);
});

const mapDeep = (data: unknown, leaf: (value: unknown) => unknown): unknown => {
  if (Array.isArray(data)) return data.map((value) => mapDeep(value, leaf));
  if (typeof data !== "object" || data === null) return leaf(data);
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, mapDeep(value, leaf)]));
};
const numbersAsText = (data: unknown) =>
  mapDeep(data, (value) => (typeof value === "number" ? String(value) : value));
const textAsNumbers = (data: unknown) =>
  mapDeep(data, (value) => (typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : value));
const bitsAsBooleans = (data: unknown): unknown => {
  if (Array.isArray(data)) return data.map(bitsAsBooleans);
  if (typeof data !== "object" || data === null) return data;
  const bits = /^(template|onboot|shared|active|enabled|running|managed|vmstate|unprivileged)$/;
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [
      name,
      bits.test(name) ? value === 1 : bitsAsBooleans(value),
    ]),
  );
};
const withMore = (data: unknown): unknown => {
  if (Array.isArray(data)) return data.map(withMore);
  if (typeof data !== "object" || data === null) return data;
  const values = Object.entries(data).map(([name, value]) => [
    name,
    name.startsWith("/") ? value : withMore(value),
  ]);
  return { ...Object.fromEntries(values), "from-the-future": { deep: [1, "2"] } };
};

/** What the product works with; the rest of a configuration comes as it came, and time goes by. */
const essence = (found: unknown) =>
  JSON.stringify(found, (name, value) => (name === "rest" || name === "uptime" ? undefined : value));

test.each([
  ["numbers that come as text", numbersAsText],
  ["text that comes as numbers", textAsNumbers],
  ["booleans that come as such", bitsAsBooleans],
  ["fields nobody has heard of", withMore],
] as const)("%s are read as what they are", async (_, shape) => {
  const { fake, pve } = await start("9.2");
  await pve.waitTask(await pve.power.stop(vm));
  await pve.waitTask(await pve.power.start(vm));
  for (const [name, read] of Object.entries(reads)) {
    // Its keys are paths and privileges, not fields.
    if (shape === withMore && name === "permissions") continue;
    const plain = await read(pve);
    fake.faults.add(/^GET /, { kind: "reshape", shape });
    expect(`${name}: ${essence(await read(pve))}`).toBe(`${name}: ${essence(plain)}`);
  }
});

/** What must be there for an entry to be an entry. */
const keys = new Set([
  "vmid",
  "node",
  "status",
  "name",
  "id",
  "type",
  "storage",
  "volid",
  "poolid",
  "members",
  "upid",
  "starttime",
  "result",
  "version",
  "ip-address",
]);
const sparse = (data: unknown): unknown => {
  if (Array.isArray(data)) return data.map(sparse);
  if (typeof data !== "object" || data === null) return data;
  return Object.fromEntries(
    Object.entries(data)
      .filter(([name]) => keys.has(name))
      .map(([name, value]) => [name, sparse(value)]),
  );
};

test("documented fields that are absent are not missed", async () => {
  const { fake, pve } = await start("9.2");
  for (const [name, read] of Object.entries(reads)) {
    fake.faults.add(/^GET /, { kind: "reshape", shape: sparse });
    await read(pve).catch((error) => {
      throw new Error(`${name}: ${error}`);
    });
  }
});
