// What a real Proxmox VE does, as noted while watching one; the numbers are those of the notes. Each is shown
// twice over: the fake does it, and the client takes it as it should.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { PveClient } from "../../src/protocols/pve/client.ts";
import { PveApiError, PveLocked, PveTaskError } from "../../src/protocols/pve/errors.ts";
import { isUpid, parseUpid, type Upid } from "../../src/protocols/pve/upid.ts";
import { type GuestRef, parseVmid } from "../../src/protocols/pve/vmid.ts";
import { createFakePve, type FakePve } from "../fake-pve/fake.ts";
import { tokens } from "../fake-pve/lab.ts";
import { connect } from "./connect.ts";

let fake: FakePve;
let pve: PveClient;
const vm = { kind: "qemu", node: "pve1", vmid: parseVmid(101) } as const satisfies GuestRef;
const nobody = { kind: "qemu", node: "pve1", vmid: parseVmid(999) } as const satisfies GuestRef;
const template = { kind: "qemu", node: "pve1", vmid: parseVmid(9000) } as const satisfies GuestRef;

beforeEach(async () => {
  fake = await createFakePve({ nodes: ["pve1", "pve2"] });
  pve = connect(fake);
});
afterEach(async () => {
  await pve.close();
  await fake.close();
});

/** Another cluster instead, where a test wants time to look. */
async function fresh(options: Parameters<typeof createFakePve>[0]): Promise<void> {
  await pve.close();
  await fake.close();
  fake = await createFakePve({ nodes: ["pve1", "pve2"], ...options });
  pve = connect(fake);
}

/** A request as it comes, without our client. */
async function raw(path: string, init: RequestInit = {}, token: string | null = tokens.full) {
  const headers = { ...(token !== null && { authorization: `PVEAPIToken=${token}` }), ...init.headers };
  const url = `https://${fake.nodes[0]?.address}/api2/json${path}`;
  const response = await fetch(url, { ...init, headers, tls: { ca: fake.ca } });
  const body = await response.text();
  return { status: response.status, reason: response.statusText, body };
}
const form = (params: Record<string, string>, method = "POST"): RequestInit => ({
  method,
  body: new URLSearchParams(params),
});
const caught = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );
const guest = (vmid: number) => fake.world.guests.get(vmid) ?? fake.world.addGuest({ vmid });

describe("envelope and errors", () => {
  test("1: the reason is the status line's, and before 2025's http server nowhere else", async () => {
    const now = await raw("/nodes/pve1/qemu/101/config", form({ cores: "two" }, "PUT"));
    expect(now.reason).toBe("Parameter verification failed.");
    expect(JSON.parse(now.body)).toMatchObject({
      data: null,
      message: "Parameter verification failed.\n",
      errors: { cores: expect.any(String) },
    });
    const older = await createFakePve({ version: "8.4" });
    const client = connect(older);
    const error = await caught(client.guests.config(nobody));
    expect(error).toMatchObject({
      reason: "Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist",
    });
    await client.close();
    await older.close();
  });

  test("2: a 401 is late, empty, and says why in its status line alone", async () => {
    const began = performance.now();
    const answers = [await raw("/nodes", {}, null), await raw("/nodes", {}, "lab@pve!full=nonsense")];
    expect(answers).toEqual([
      { status: 401, reason: "No ticket", body: "" },
      { status: 401, reason: "Authentication failed!", body: "" },
    ]);
    expect(performance.now() - began).toBeGreaterThan(50);
    fake.world.rights.addToken("lab@pve", "old", {
      secret: "99999999-0000-4000-8000-000000000000",
      privsep: false,
      expire: 1,
    });
    const old = connect(fake, { token: "lab@pve!old=99999999-0000-4000-8000-000000000000" });
    expect(await caught(old.cluster.nodes())).toMatchObject({ code: "unauthenticated" });
    await old.close();
  });

  test("3: a 403 can sit inside a task's log", async () => {
    const poor = connect(fake, { token: tokens.appliance });
    const create = () =>
      poor.provisioning.createVm({
        node: "pve1",
        vmid: parseVmid(590),
        pool: "lab",
        settings: { memory: 64, tags: "x" },
      });
    const error = await caught(poor.run(create));
    expect(error).toBeInstanceOf(PveTaskError);
    expect(error).toMatchObject({ missing: [{ path: "/vms/590", privileges: ["VM.Config.Options"] }] });
    expect(fake.world.guests.has(590)).toBe(false);
    await poor.close();
  });

  test("4: lists are filtered and never refused, storage content is refused", async () => {
    fake.world.rights.acl = fake.world.rights.acl.filter(({ who }) => who !== "lab@pve!appliance");
    const poor = connect(fake, { token: tokens.appliance });
    expect(await poor.guests.list("pve1", "qemu")).toEqual([]);
    expect(await poor.storage.onNode("pve1")).toEqual([]);
    expect(await poor.tasks.list("pve1")).toEqual([]);
    expect(await caught(poor.storage.content({ node: "pve1", storage: "local" }))).toMatchObject({
      code: "forbidden",
    });
    await poor.close();
  });

  test("5: a missing guest is a 500 and reads as not found; an unknown path is 501; an unknown UPID 400", async () => {
    expect(await caught(pve.guests.status(nobody))).toMatchObject({ status: 500, code: "not-found" });
    expect((await raw("/nope")).status).toBe(501);
    expect((await raw("/version", { method: "PATCH" })).status).toBe(501);
    const upid = "UPID:pve1:000001A1:00024EC1:6B00DFA0:qmcreate:9000:lab@pve!full:";
    if (isUpid(upid))
      expect(await caught(pve.tasks.status(upid))).toMatchObject({
        status: 400,
        fields: { upid: "no such task" },
      });
  });

  test("6: no body on DELETE, none over 512 KiB, forms and JSON and nothing else", async () => {
    expect((await raw("/nodes/pve1/qemu/999", form({ purge: "1" }, "DELETE"))).status).toBe(501);
    expect(
      (await raw("/nodes/pve1/qemu/101/config", form({ description: "x".repeat(600_000) }))).status,
    ).toBe(501);
    const xml = { method: "POST", body: "<x/>", headers: { "content-type": "text/xml" } };
    expect((await raw("/nodes/pve1/qemu/101/config", xml)).status).toBe(506);
    const json = {
      method: "PUT",
      body: JSON.stringify({ onboot: false, cores: 1 }),
      headers: { "content-type": "application/json" },
    };
    expect((await raw("/nodes/pve1/qemu/101/config", json)).status).toBe(200);
    await pve.run(() => pve.power.stop(vm));
    // Our own deletions put everything into the query.
    await pve.run(() => pve.provisioning.destroy(vm, { purge: true, unreferencedDisks: true }));
  });

  test("7: numbers that come as text and the other way round", async () => {
    expect(JSON.parse((await raw("/cluster/nextid")).body)).toEqual({ data: "100" });
    expect(JSON.parse((await raw("/nodes/pve1/qemu/101/config")).body).data).toMatchObject({
      memory: "128",
      agent: "1",
      cores: 1,
      onboot: 0,
    });
    expect(await pve.guests.config(vm)).toMatchObject({
      memoryMib: 128,
      agent: true,
      cores: 1,
      onboot: false,
    });
    expect(Number(await pve.cluster.nextVmid())).toBe(100);
  });

  test("8: a node that is offline is a 595 from the others, and one that is none a 500", async () => {
    await fake.nodes[1]?.stop();
    expect(await caught(pve.cluster.nodeStatus("pve2"))).toMatchObject({ status: 595, code: "unavailable" });
    expect((await pve.cluster.resources("vm")).length).toBe(3);
    expect(await caught(pve.cluster.nodeStatus("nosuch"))).toMatchObject({
      status: 500,
      reason: expect.stringContaining("hostname lookup"),
    });
  });
});

describe("tasks", () => {
  test("9: ids of UPIDs may be empty or hold more than a vmid; a clone's is its source's", async () => {
    const clone = await pve.provisioning.clone(template, { newVmid: parseVmid(301) });
    expect(parseUpid(clone)).toMatchObject({ type: "qmclone", id: "9000", user: "lab@pve", tokenid: "full" });
    await pve.waitTask(clone);
    const root = connect(fake, { token: tokens.root });
    const deletion = await root.storage.remove(
      "pve1",
      "local:9000/base-9000-disk-0.qcow2/301/vm-301-disk-0.qcow2",
    );
    expect(parseUpid(deletion ?? "")).toMatchObject({ type: "imgdel", id: "301@local" });
    const source = {
      filename: "x.iso",
      size: 3,
      open: async function* () {
        yield new Uint8Array(3);
      },
    };
    const copy = await root.upload({ node: "pve1", storage: "local", content: "iso", source });
    expect(parseUpid(copy)).toMatchObject({ type: "imgcopy", id: "" });
    expect((await root.waitTask(copy)).exitstatus).toBe("OK");
    await root.close();
  });

  test("10: another token's task is for Sys.Audit", async () => {
    const upid = await pve.power.stop(vm);
    await pve.waitTask(upid);
    fake.world.rights.acl = fake.world.rights.acl.filter(
      ({ path, who }) => !(path === "/nodes/pve1" && who.includes("appliance")),
    );
    const poor = connect(fake, { token: tokens.appliance });
    expect(await caught(poor.tasks.status(upid))).toMatchObject({
      missing: [{ path: "/nodes/pve1", privileges: ["Sys.Audit"] }],
    });
    await poor.close();
  });

  test("11: much that fails answers 200 and a UPID, and fails in its task", async () => {
    const failing: [string, () => Promise<Upid | undefined>][] = [
      ["Configuration file", () => pve.power.start(nobody)],
      ["still in use by linked clone", () => pve.provisioning.destroy(template)],
      ["does not exist", () => pve.snapshots.rollback(vm, "nope")],
      ["shrinking disks is not supported", () => pve.settings.resize(vm, "scsi0", "1M")],
    ];
    for (const [text, change] of failing) {
      const error = await caught(pve.run(change));
      expect(error).toBeInstanceOf(PveTaskError);
      expect(error).toMatchObject({ exitstatus: expect.stringContaining(text) });
    }
    const running = await caught(pve.provisioning.destroy(vm));
    expect(running).toBeInstanceOf(PveApiError);
    expect(running).toMatchObject({ code: "conflict", refusal: { kind: "guest-running" } });
    await pve.settings.set(vm, { set: { protection: true } });
    expect(await caught(pve.provisioning.destroy(vm))).toMatchObject({ refusal: { kind: "protected" } });
  });

  test("12: PUT config is done when it answers, POST config is a task, move_disk of a running guest is refused", async () => {
    await pve.settings.set(vm, { set: { cores: 3 } });
    expect(guest(101).config.cores).toBe(3);
    expect(parseUpid(await pve.settings.setAsTask(vm, { set: { cores: 4 } }))?.type).toBe("qmconfig");
    guest(590);
    const error = await caught(pve.disks.reassign(vm, "scsi0", { vmid: parseVmid(590), disk: "scsi0" }));
    expect(error).toMatchObject({ code: "conflict", refusal: { kind: "guest-running" } });
  });
});

describe("ids, locks, teardown", () => {
  test("13: nextid reserves nothing, two clones to one id both start, and one task fails", async () => {
    await fresh({ taskMs: 150 });
    const both = await Promise.all([pve.cluster.nextVmid(), pve.cluster.nextVmid()]);
    expect(both[0]).toBe(both[1]);
    const [newVmid] = both;
    const upids = await Promise.all(
      ["a", "b"].map((name) => pve.provisioning.clone(template, { newVmid, name })),
    );
    const ends = await Promise.all(upids.map((upid) => caught(pve.waitTask(upid))));
    const failed = ends.filter((end) => end instanceof PveTaskError);
    expect(failed.length).toBe(1);
    expect(failed[0]).toMatchObject({ refusal: { kind: "guest-exists" } });
    expect(await pve.cluster.isFree(newVmid)).toBe(false);
    expect(
      await caught(pve.provisioning.createVm({ node: "pve1", vmid: newVmid, settings: {} })),
    ).toMatchObject({ refusal: { kind: "guest-exists" } });
    expect(
      await caught(
        pve.provisioning.createContainer({
          node: "pve1",
          vmid: parseVmid(200),
          settings: { ostemplate: "local:vztmpl/debian-13-standard_13.0-1_amd64.tar.zst" },
        }),
      ),
    ).toMatchObject({ refusal: { kind: "guest-exists" } });
  });

  test("14: while it is cloned the target has a lock, another description and no tags", async () => {
    await fresh({ pace: 0.4 });
    const upid = await pve.provisioning.clone(
      { ...vm },
      { newVmid: parseVmid(320), full: true, name: "full" },
    );
    const target = { ...vm, vmid: parseVmid(320) };
    await Bun.sleep(100);
    const meanwhile = await pve.guests.config(target);
    expect(meanwhile).toMatchObject({
      lock: "clone",
      description: " qmclone temporary file",
      tags: [],
      disks: {},
    });
    await pve.waitTask(upid);
    expect(await pve.guests.config(target)).toMatchObject({ name: "full", lock: undefined });
  });

  test("15: no token clears a lock, and a failed snapshot's state can be read", async () => {
    guest(101).config = { ...guest(101).config, lock: "snapshot", snapstate: "prepare" };
    const root = connect(fake, { token: tokens.root });
    expect(await caught(root.settings.set(vm, { set: { skiplock: true }, remove: ["lock"] }))).toMatchObject({
      fields: { skiplock: "Only root may use this option." },
    });
    expect(await caught(root.settings.set(vm, { set: { cores: 1 } }))).toBeInstanceOf(PveLocked);
    const stopped = await caught(root.run(() => root.power.stop(vm)));
    expect(stopped).toMatchObject({
      refusal: { kind: "locked", lock: "snapshot" },
      hint: expect.stringContaining("qm unlock"),
    });
    expect(await root.guests.config(vm)).toMatchObject({ lock: "snapshot", snapstate: "prepare" });
    await root.close();
  });

  test("16: a start at once after a stop is worth trying for 40 s", async () => {
    fake.world.stopCleanupMs = 30_000;
    await pve.run(() => pve.power.stop(vm));
    expect((await pve.run(() => pve.power.start(vm)))?.exitstatus).toBe("OK");
  });

  test("17: snapshot lists hold `current`, which nobody is shown; names have two characters at least", async () => {
    expect(JSON.parse((await raw("/nodes/pve1/qemu/101/snapshot")).body).data.at(-1)).toMatchObject({
      name: "current",
    });
    expect(await pve.guests.snapshots(vm)).toEqual([]);
    expect((await raw("/nodes/pve1/qemu/101/snapshot", form({ snapname: "s" }))).status).toBe(400);
    for (const name of ["s", "current", "1st", "a b"]) {
      expect(() => pve.snapshots.take(vm, { name })).toThrow("cannot be the name of a snapshot");
    }
  });

  test("18: destroying a VM deletes attached disks silently; on a holder they stay, under another name", async () => {
    const holder = { ...vm, vmid: parseVmid(590) };
    await pve.run(() =>
      pve.provisioning.createVm({ node: "pve1", vmid: holder.vmid, settings: { memory: 16 } }),
    );
    await pve.run(() => pve.disks.attachNew(holder, "scsi0", { storage: "store2", sizeGib: 1 }));
    const other = { ...vm, vmid: parseVmid(591) };
    await pve.run(() =>
      pve.provisioning.createVm({ node: "pve1", vmid: other.vmid, settings: { memory: 16 } }),
    );
    await pve.run(() => pve.disks.reassign(holder, "scsi0", { vmid: other.vmid, disk: "scsi1" }));
    expect((await pve.guests.config(other)).disks.scsi1?.volume).toBe("store2:591/vm-591-disk-0.qcow2");
    await pve.run(() => pve.provisioning.destroy(other));
    expect(await pve.storage.content({ node: "pve1", storage: "store2" })).toEqual([]);
  });

  test("19: a guest agent that is down costs 3 s a call and says so", async () => {
    const error = await caught(pve.guests.interfaces(vm));
    expect(error).toMatchObject({ status: 500, code: "unavailable", refusal: { kind: "agent-down" } });
  });

  test("20: just after a node's boot its guests are unknown and without names", async () => {
    const node = fake.world.nodes.get("pve1");
    if (node) node.settling = true;
    const found = await pve.cluster.resources("vm");
    expect(found.length).toBe(3);
    expect(found.every(({ status, name }) => status === "unknown" && name === undefined)).toBe(true);
  });

  test("21: a node says itself which certificate it serves", async () => {
    const said = (await pve.cluster.nodes()).map((node) => node.ssl_fingerprint);
    expect(said).toEqual(fake.nodes.map((node) => node.fingerprint));
  });

  test("22: a stop is waited for before the delete, and 8 linked clones at once come out", async () => {
    await pve.run(() => pve.power.stop(vm));
    await pve.run(() => pve.provisioning.destroy(vm));
    const vmids = Array.from({ length: 8 }, (_, index) => parseVmid(700 + index));
    await Promise.all(vmids.map((newVmid) => pve.run(() => pve.provisioning.clone(template, { newVmid }))));
    const listed = (await pve.guests.list("pve1", "qemu")).map(({ vmid }) => Number(vmid));
    expect(listed).toEqual(expect.arrayContaining(vmids.map(Number)));
  });
});
