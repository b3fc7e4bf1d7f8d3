import { afterEach, beforeEach, expect, test } from "bun:test";
import { systemClock } from "../../src/platform/clock.ts";
import { AppError } from "../../src/platform/errors.ts";
import type { PveClient } from "../../src/protocols/pve/client.ts";
import {
  PveApiError,
  PveLocked,
  PveTaskError,
  PveTimeout,
  PveUnreachable,
} from "../../src/protocols/pve/errors.ts";
import { type GuestRef, parseVmid } from "../../src/protocols/pve/vmid.ts";
import { createFakePve, type FakePve } from "../fake-pve/fake.ts";
import { tokens } from "../fake-pve/lab.ts";
import { connect } from "./connect.ts";

let fake: FakePve;
let pve: PveClient;
const vm = { kind: "qemu", node: "pve1", vmid: parseVmid(101) } as const satisfies GuestRef;
const template = { kind: "qemu", node: "pve1", vmid: parseVmid(9000) } as const satisfies GuestRef;

beforeEach(async () => {
  fake = await createFakePve({ nodes: ["pve1", "pve2"] });
  pve = connect(fake);
});
afterEach(async () => {
  await pve.close();
  await fake.close();
});

const caught = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );
const countOf = (method: string, path: RegExp) =>
  fake.seen.filter((seen) => seen.method === method && path.test(seen.path)).length;

test("a node that is down is passed over, and its absence costs one try", async () => {
  await fake.nodes[0]?.stop();
  for (let n = 0; n < 5; n++) expect((await pve.cluster.version()).major).toBe(9);
  expect(fake.seen.length).toBe(5);
  await fake.nodes[0]?.start();
});

test("with every node down the error says where and that nothing was made", async () => {
  for (const node of fake.nodes) await node.stop();
  const error = await caught(pve.power.stop(vm));
  expect(error).toBeInstanceOf(PveUnreachable);
  expect(error).toMatchObject({ fate: "not-made", code: "unavailable" });
});

test("reads are repeated on 502, 503, 595, 596 and a broken connection, within a bound", async () => {
  for (const status of [502, 503, 595, 596]) {
    fake.faults.add(/GET \/version/, { kind: "status", status, message: "passing" });
    expect((await pve.cluster.version()).major).toBe(9);
  }
  fake.faults.add(/GET \/version/, { kind: "drop" });
  expect((await pve.cluster.version()).major).toBe(9);
  fake.faults.add(/GET \/version/, { kind: "status", status: 503, message: "down for good" }, 100);
  const before = fake.seen.length;
  expect(await caught(pve.cluster.version())).toMatchObject({ code: "unavailable", status: 503 });
  expect(fake.seen.length - before).toBe(4);
});

test("a change is repeated when it was not handed on (595), and never when it may have been (596)", async () => {
  fake.faults.add(/POST .*\/stop/, { kind: "status", status: 595, message: "Connection refused" });
  await pve.run(() => pve.power.stop(vm));
  expect(countOf("POST", /status\/stop/)).toBe(2);
  fake.faults.add(/POST .*\/clone/, { kind: "status", status: 596, message: "Broken pipe" });
  const clone = pve.provisioning.clone(template, { newVmid: parseVmid(300) });
  expect(await caught(clone)).toMatchObject({ status: 596 });
  expect(countOf("POST", /clone/)).toBe(1);
  // It looked.
  expect(countOf("GET", /\/tasks$/)).toBeGreaterThan(0);
});

test("a change whose answer was lost is looked for, found by its task and not made twice", async () => {
  fake.faults.add(/POST .*\/start/, { kind: "drop-answer" });
  await pve.run(() => pve.power.stop(vm));
  const outcome = await pve.run(() => pve.power.start(vm));
  expect(outcome?.exitstatus).toBe("OK");
  expect(countOf("POST", /status\/start/)).toBe(1);
});

test("of several clones of one source the lost one is told from the others by its target", async () => {
  fake.faults.add(/POST .*\/clone/, { kind: "drop-answer" }, 2);
  const vmids = [310, 311, 312].map(parseVmid);
  const upids = await Promise.all(
    vmids.map((newVmid) => pve.provisioning.clone(template, { newVmid, name: `c${newVmid}` })),
  );
  expect(new Set(upids).size).toBe(3);
  await Promise.all(upids.map((upid) => pve.waitTask(upid)));
  for (const [index, upid] of upids.entries()) {
    expect((await pve.tasks.logTail(upid)).join("\n")).toContain(`with ID ${vmids[index]}`);
  }
});

test("a start right after a stop is made again until the stop's clean-up lets go of the lock", async () => {
  fake.world.stopCleanupMs = 25_000;
  await pve.run(() => pve.power.stop(vm));
  const outcome = await pve.run(() => pve.power.start(vm));
  expect(outcome?.exitstatus).toBe("OK");
  expect(countOf("POST", /status\/start/)).toBeGreaterThan(1);
});

test("a synchronous lock time-out is waited out as well", async () => {
  fake.faults.add(
    /PUT .*\/config/,
    {
      kind: "status",
      status: 500,
      message: "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout",
    },
    3,
  );
  await pve.settings.set(vm, { set: { cores: 2 } });
  expect(countOf("PUT", /config/)).toBe(4);
});

test("cancelling ends a call at once, a time-out after its time", async () => {
  fake.faults.add(/GET \/version/, { kind: "slow", ms: 5_000 }, 2);
  const controller = new AbortController();
  const began = performance.now();
  const pending = caught(pve.cluster.version({ signal: controller.signal }));
  setTimeout(() => controller.abort(new Error("enough")), 20);
  expect(await pending).toMatchObject({ message: "enough" });
  const patient = connect(fake, { clock: systemClock });
  expect(await caught(patient.cluster.version({ timeoutMs: 100 }))).toBeInstanceOf(PveTimeout);
  await patient.close();
  expect(performance.now() - began).toBeLessThan(2_000);
});

test("an answer that is no Proxmox is named as such", async () => {
  fake.faults.add(/GET \/version/, { kind: "foreign" });
  expect(await caught(pve.cluster.version())).toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("not as a Proxmox VE API does"),
  });
});

test("a 403 names the privilege, the path and the commands that grant it; a bare one by what the operation wants", async () => {
  fake.world.rights.acl = fake.world.rights.acl.filter(({ who }) => who !== "lab@pve!appliance");
  const poor = connect(fake, { token: tokens.appliance });
  const denied = await caught(poor.power.start(vm));
  expect(denied).toBeInstanceOf(PveApiError);
  expect(denied).toMatchObject({
    code: "forbidden",
    missing: [{ path: "/vms/101", privileges: ["VM.PowerMgmt"] }],
  });
  expect(denied).toMatchObject({
    hint: expect.stringContaining(
      "pveum acl modify /vms/101 --roles labctl-guests --tokens 'lab@pve!appliance'",
    ),
  });
  const bare = await caught(poor.provisioning.createVm({ node: "pve1", vmid: parseVmid(400), settings: {} }));
  expect(bare).toMatchObject({ message: expect.stringContaining("wants VM.Allocate on /vms/400") });
  await poor.close();
});

test("a 400 gives each field its text, a 401 says what to do", async () => {
  const error = await caught(pve.settings.set(vm, { set: { cores: "two" } }));
  expect(error).toMatchObject({
    code: "invalid",
    status: 400,
    fields: { cores: "type check ('integer') failed - got 'two'" },
  });
  const stranger = connect(fake, { token: tokens.full.replace(/.$/, "6") });
  const refused = await caught(stranger.cluster.nodes());
  expect(refused).toMatchObject({ code: "unauthenticated", reason: "Authentication failed!" });
  expect(countOf("GET", /\/nodes$/)).toBe(1);
  await stranger.close();
});

test("a failed task brings its log and the privilege found in it; a locked guest names the lock", async () => {
  fake.world.rights.acl = fake.world.rights.acl.filter(
    ({ path, who }) => !(path === "/pool/lab" && who.includes("appliance")),
  );
  fake.world.rights.addRole("Dumper", ["VM.Audit", "VM.Config.Options", "VM.Config.Disk"]);
  fake.world.rights.grant("/vms/101", "lab@pve!appliance", "Dumper");
  const poor = connect(fake, { token: tokens.appliance });
  const failed = await caught(poor.run(() => poor.provisioning.vzdump(vm, { storage: "store2" })));
  expect(failed).toBeInstanceOf(PveTaskError);
  expect(failed).toMatchObject({ missing: [{ path: "/vms/101", privileges: ["VM.Backup"] }] });
  if (failed instanceof PveTaskError) expect(failed.logTail.at(-1)).toStartWith("TASK ERROR: 403");
  await poor.close();

  const guest = fake.world.guests.get(101);
  if (guest) guest.config.lock = "backup";
  const locked = await caught(pve.settings.set(vm, { set: { cores: 2 } }));
  expect(locked).toBeInstanceOf(PveLocked);
  expect(locked).toMatchObject({ lock: "backup", hint: expect.stringContaining("qm unlock") });
});

test("settings are refused on a digest that is no longer true", async () => {
  const { digest } = await pve.guests.config(vm);
  await pve.settings.set(vm, { set: { description: "mine" }, digest });
  const error = await caught(pve.settings.set(vm, { set: { description: "yours" }, digest }));
  expect(error).toMatchObject({ code: "conflict", refusal: { kind: "digest-mismatch" } });
});

test("an ISO is uploaded with its progress, and arrives whole", async () => {
  const root = connect(fake, { token: tokens.root });
  const size = 3_000_000;
  const seen: number[] = [];
  const source = {
    filename: "seed-500.iso",
    size,
    open: async function* () {
      for (let left = size; left > 0; left -= 65_536) yield new Uint8Array(Math.min(left, 65_536));
    },
  };
  const upid = await root.upload({
    node: "pve1",
    storage: "local",
    content: "iso",
    source,
    onProgress: (sent) => seen.push(sent),
  });
  await root.waitTask(upid);
  expect(seen.at(-1)).toBe(size);
  expect(fake.world.volume("local:iso/seed-500.iso")?.size).toBe(size);
  expect(await caught(pve.upload({ node: "pve1", storage: "local", content: "iso", source }))).toMatchObject({
    code: "forbidden",
  });
  await root.close();
});

test("a file that shrank while it was sent is an error, not half an ISO", async () => {
  const root = connect(fake, { token: tokens.root });
  const source = {
    filename: "x.iso",
    size: 100_000,
    open: async function* () {
      yield new Uint8Array(10);
    },
  };
  const error = await caught(
    root.upload({ node: "pve1", storage: "local", content: "iso", source }, { timeoutMs: 20_000 }),
  );
  expect(error).toBeInstanceOf(AppError);
  expect(fake.world.volume("local:iso/x.iso")).toBeUndefined();
  await root.close();
});

test("a guest migrates to another node and is found there", async () => {
  const migrating = connect(fake, { token: tokens.root });
  await migrating.run(() => migrating.provisioning.migrate(vm, { target: "pve2", online: true }));
  expect(await migrating.guests.find(parseVmid(101))).toEqual({ ...vm, node: "pve2" });
  await migrating.close();
});
