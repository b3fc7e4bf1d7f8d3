import { afterEach, beforeEach, expect, test } from "bun:test";
import type { PveClient } from "../../src/protocols/pve/client.ts";
import { PveTaskError, PveTimeout } from "../../src/protocols/pve/errors.ts";
import { isUpid, type Upid } from "../../src/protocols/pve/upid.ts";
import { createFakePve, type FakePve } from "../fake-pve/fake.ts";
import { tokens } from "../fake-pve/lab.ts";
import { connect } from "./connect.ts";

let fake: FakePve;
let pve: PveClient;
beforeEach(async () => {
  fake = await createFakePve({ pace: 1, taskMs: 1, nodes: ["pve1", "pve2"] });
  pve = connect(fake);
});
afterEach(async () => {
  await pve.close();
  await fake.close();
});

const full = { user: "lab@pve", tokenid: "full", privsep: false };

function startTask(ms: number, how: { node?: string; fails?: string } = {}): Upid {
  const upid = fake.world.startTask(how.node ?? "pve1", "qmstart", 101, full, async (worker) => {
    await worker.spend(ms);
    if (how.fails !== undefined) throw new Error(how.fails);
  });
  if (!isUpid(upid)) throw new Error(`${upid} is no UPID`);
  return upid;
}
const requests = () => fake.seen.length;
const caught = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

test("1,000 waits at once cost a handful of requests, and every one ends", async () => {
  const upids = Array.from({ length: 1_000 }, (_, index) => startTask(100 + (index % 10) * 20));
  const outcomes = await Promise.all(upids.map((upid) => pve.waitTask(upid)));
  expect(outcomes.length).toBe(1_000);
  expect(outcomes.every(({ exitstatus }) => exitstatus === "OK")).toBe(true);
  // Some ten polls of two or three pages each; one request a task would be a thousand.
  expect(requests()).toBeLessThan(100);
});

test("the first look is at once: a task that ended already costs one request and no wait", async () => {
  const upid = startTask(0);
  await Bun.sleep(100);
  await pve.waitTask(upid);
  expect(requests()).toBe(1);
});

test("cancelling one wait ends it at once and leaves the others alone", async () => {
  const upids = Array.from({ length: 50 }, () => startTask(800));
  const controller = new AbortController();
  const waits = upids.map((upid, index) =>
    pve.waitTask(upid, index === 7 ? { signal: controller.signal } : {}),
  );
  const cancelled = caught(waits[7] ?? Promise.resolve());
  await Bun.sleep(20);
  const began = performance.now();
  controller.abort(new Error("no longer wanted"));
  expect(await cancelled).toMatchObject({ message: "no longer wanted" });
  expect(performance.now() - began).toBeLessThan(400);
  const rest = await Promise.all(waits.filter((_, index) => index !== 7));
  expect(rest.length).toBe(49);
});

test("cancelling the last wait ends the polling", async () => {
  const controller = new AbortController();
  const wait = caught(pve.waitTask(startTask(60_000), { signal: controller.signal }));
  await Bun.sleep(30);
  controller.abort();
  await wait;
  const before = requests();
  await Bun.sleep(200);
  expect(requests() - before).toBeLessThanOrEqual(1);
});

test("a time-out ends the wait, not the task", async () => {
  const upid = startTask(5_000);
  expect(await caught(pve.waitTask(upid, { timeoutMs: 2_000 }))).toBeInstanceOf(PveTimeout);
  expect(await pve.tasks.status(upid)).toEqual({ running: true });
});

test("WARNINGS is a success that says how many; anything else is a failure with its log", async () => {
  fake.world.tasks.planned.push({ type: "qmstart", exitstatus: "WARNINGS: 2", left: 1 });
  expect(await pve.waitTask(startTask(10))).toMatchObject({ exitstatus: "WARNINGS: 2", warnings: 2 });
  const failed = await caught(pve.waitTask(startTask(10, { fails: "no space left on device" })));
  expect(failed).toBeInstanceOf(PveTaskError);
  expect(failed).toMatchObject({
    exitstatus: "no space left on device",
    logTail: ["TASK ERROR: no space left on device"],
  });
});

test("tasks of several nodes are polled node by node", async () => {
  const upids = Array.from({ length: 20 }, (_, index) =>
    startTask(50, { node: index % 2 ? "pve2" : "pve1" }),
  );
  await Promise.all(upids.map((upid) => pve.waitTask(upid)));
  const lists = fake.seen.filter(({ path }) => path.endsWith("/tasks")).map(({ path }) => path);
  expect(new Set(lists)).toEqual(new Set(["/nodes/pve1/tasks", "/nodes/pve2/tasks"]));
});

test("a poll that fails does not end the waits", async () => {
  const upids = Array.from({ length: 5 }, () => startTask(150));
  fake.faults.add(/GET .*\/tasks/, { kind: "status", status: 500, message: "internal trouble" }, 2);
  expect((await Promise.all(upids.map((upid) => pve.waitTask(upid)))).length).toBe(5);
});

test("a task of another token is refused as such, and does not hold up our own", async () => {
  const stranger = startTask(50);
  const own = fake.world.startTask(
    "pve1",
    "qmstart",
    101,
    { ...full, tokenid: "appliance", privsep: true },
    (worker) => worker.spend(50),
  );
  fake.world.rights.acl = fake.world.rights.acl.filter(
    ({ path, who }) => !(path.startsWith("/nodes") && who.includes("appliance")),
  );
  const poor = connect(fake, { token: tokens.appliance });
  const [refused, ended] = await Promise.all([
    caught(poor.waitTask(stranger)),
    isUpid(own) ? poor.waitTask(own) : undefined,
  ]);
  expect(refused).toMatchObject({
    code: "forbidden",
    missing: [{ path: "/nodes/pve1", privileges: ["Sys.Audit"] }],
  });
  expect(ended?.exitstatus).toBe("OK");
  await poor.close();
});

test("closing the client ends every wait", async () => {
  const wait = caught(pve.waitTask(startTask(60_000)));
  await Bun.sleep(20);
  await pve.close();
  expect(await wait).toMatchObject({ code: "unavailable" });
});
