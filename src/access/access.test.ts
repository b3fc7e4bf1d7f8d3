import { afterEach, beforeEach, expect, test } from "bun:test";
import { createManualClock } from "../platform/clock.ts";
import { openStore, type Store } from "../store/database.ts";
import { type AuditLog, createAuditLog } from "./audit-log.ts";
import { type Authority, lifetimes, openAuthority } from "./authority.ts";
import { createSigningRequest } from "./certificates.ts";
import { createDirectory, type Directory } from "./directory.ts";
import { createKeySeal } from "./key-seal.ts";
import { decideAccess } from "./permissions.ts";
import type { Actor } from "./principal.ts";
import { createRootRotation } from "./root-rotation.ts";
import { createTokenService, type TokenService } from "./token-service.ts";

const day = 86_400_000;
const key = "5a".repeat(32);
let clock: ReturnType<typeof createManualClock>;
let store: Store;
let audit: AuditLog;
let authority: Authority;
let tokens: TokenService;
let directory: Directory;
const actor: Actor = {
  principal: { name: "local/root", kind: "local", roles: [] },
  from: "",
  requestId: "r1",
  startedAt: Date.UTC(2026, 0, 1),
};

beforeEach(async () => {
  clock = createManualClock(Date.UTC(2026, 0, 1));
  store = openStore(":memory:");
  audit = createAuditLog(store, clock);
  authority = await openAuthority(store, await createKeySeal(key, "test"), audit, clock, "lab");
  tokens = createTokenService(
    store,
    audit,
    clock,
    (n) => crypto.getRandomValues(new Uint8Array(n)),
    () => authority.fingerprint(),
  );
  directory = createDirectory(store, audit, clock);
});
afterEach(() => store.close());

const issue = async (name: string) => {
  const { csrPem } = await createSigningRequest(name);
  return store.transaction((tx) => authority.issue(tx, csrPem, { holder: "agent", name }));
};
const use = (text: string) => store.transaction((tx) => tokens.use(tx, "join", text));

test("the authority of a database opens again with its key, and with no other", async () => {
  const again = await openAuthority(store, await createKeySeal(key, "test"), audit, clock, "lab");
  expect(again.fingerprint()).toBe(authority.fingerprint());
  const wrong = openAuthority(
    store,
    await createKeySeal("77".repeat(32), "LABCTL_CA_KEY"),
    audit,
    clock,
    "lab",
  );
  await expect(wrong).rejects.toThrow("the key of LABCTL_CA_KEY does not open the certificate authority");
});

test("a certificate is trusted until it expires or is revoked, and a stranger's never", async () => {
  const { fingerprint } = await issue("node1");
  expect(await authority.judge(fingerprint)).toMatchObject({ trusted: true, holder: "agent", name: "node1" });
  expect(await authority.judge("00".repeat(32))).toMatchObject({ trusted: false });
  await store.transaction((tx) => authority.revoke(tx, "agent", "node1", "stolen"));
  expect(await authority.judge(fingerprint)).toEqual({ trusted: false, because: "it was revoked: stolen" });
  const other = await issue("node2");
  clock.advance(lifetimes.agent + 1);
  expect(await authority.judge(other.fingerprint)).toEqual({ trusted: false, because: "it has expired" });
});

test("after a rotation both roots are trusted and the new one signs", async () => {
  const before = authority.fingerprint();
  const old = await issue("node1");
  await authority.rotate(actor);
  expect(authority.fingerprint()).not.toBe(before);
  expect((await authority.show()).map(({ state, agents }) => [state, agents])).toEqual([
    ["active", []],
    ["trusted", ["node1"]],
  ]);
  expect((await authority.judge(old.fingerprint)).trusted).toBe(true);
  expect(authority.bundle().match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
});

test("an old root is not retired while somebody needs it, and the refusal names them", async () => {
  const ended: string[] = [];
  const rotation = createRootRotation(store, authority, clock, async (gone) => void ended.push(...gone));
  await expect(rotation.retire(actor, undefined, false)).rejects.toThrow("there is no old root to retire");
  const old = await issue("node1");
  await tokens.create(actor, { kind: "join", description: "", lifetime: day, uses: 1 });
  clock.advance(1);
  await rotation.rotate(actor);
  await expect(rotation.retire(actor, undefined, false)).rejects.toThrow(
    "the old root is still needed by server/node1, 1 unused token",
  );
  await rotation.retire(actor, undefined, true);
  expect(ended).toEqual([old.fingerprint]);
  expect(await authority.judge(old.fingerprint)).toEqual({
    trusted: false,
    because: "it was revoked: its root was retired",
  });
  expect(authority.bundle().match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
  const again = await openAuthority(store, await createKeySeal(key, "test"), audit, clock, "lab");
  expect(again.bundle()).toBe(authority.bundle());
});

test("a root nobody needs any more is retired by itself, a day after the rotation and not before", async () => {
  const rotation = createRootRotation(store, authority, clock, async () => {});
  await rotation.rotate(actor);
  await rotation.retireUnused(actor);
  expect(authority.rotating).toBe(true);
  clock.advance(day);
  const held = await issue("node1");
  await rotation.rotate(actor);
  clock.advance(day);
  await rotation.retireUnused(actor);
  // The first root went, the second signed what node1 holds.
  expect((await rotation.show()).map(({ agents }) => agents)).toEqual([[], ["node1"]]);
  const { fingerprint } = await issue("node1");
  await store.transaction((tx) => authority.supersede(tx, "agent", "node1", fingerprint));
  expect((await authority.judge(held.fingerprint)).trusted).toBe(false);
  await rotation.retireUnused(actor);
  expect(authority.rotating).toBe(false);
});

test("a one-time token is used by exactly one of many that try at once", async () => {
  const { text } = await tokens.create(actor, { kind: "join", description: "", lifetime: day, uses: 1 });
  const tries = await Promise.allSettled(Array.from({ length: 20 }, () => use(text)));
  expect(tries.filter((each) => each.status === "fulfilled")).toHaveLength(1);
});

test("a use that fails afterwards is given back with its transaction", async () => {
  const { text } = await tokens.create(actor, { kind: "join", description: "", lifetime: day, uses: 1 });
  const failing = store.transaction(async (tx) => {
    await tokens.use(tx, "join", text);
    throw new Error("the certificate could not be made");
  });
  await expect(failing).rejects.toThrow();
  expect(await use(text)).toMatchObject({ kind: "join", usesLeft: 0 });
});

test("an expired, a revoked and an unknown token are refused alike", async () => {
  const expired = await tokens.create(actor, { kind: "join", description: "", lifetime: 1000 });
  clock.advance(1001);
  const revoked = await tokens.create(actor, { kind: "join", description: "", lifetime: day });
  await tokens.revoke(actor, revoked.view.id);
  const refusals = await Promise.all([expired.text, revoked.text].map((text) => use(text).catch(String)));
  expect(new Set(refusals)).toEqual(new Set(["AppError: this token is not accepted"]));
});

test("a role is given to no user who is not there: whoever is made under that name later would hold it", async () => {
  const given = directory.setBinding(actor, { kind: "user", name: "nobody" }, "admin", true);
  expect(await given.catch((error: unknown) => error)).toMatchObject({ code: "not-found" });
});

test("the database holds no token that could be used", async () => {
  const { text } = await tokens.create(actor, { kind: "api", description: "ci", lifetime: day });
  const [view] = await tokens.list(10);
  expect(JSON.stringify(view)).not.toContain(text.split("_")[2] ?? "");
  expect(await tokens.recognise("api", text)).toMatchObject({ description: "ci", state: "usable" });
});

test("a user holds the roles bound to it and to its groups, and none when it is gone", async () => {
  await directory.createUser(actor, "alice");
  await directory.setBinding(actor, { kind: "user", name: "alice" }, "viewer", true);
  await directory.setGroup(actor, { name: "ops", members: ["alice"] });
  await directory.setBinding(actor, { kind: "group", name: "ops" }, "operator", true);
  const roles = await directory.rolesOf("user", "alice");
  expect(roles.map((role) => role.name).sort()).toEqual(["operator", "viewer"]);
  expect(decideAccess(roles, "servers:exec").allowed).toBe(true);
  await store.transaction((tx) => directory.deleteUser(tx, actor, "alice"));
  expect(await directory.rolesOf("user", "alice")).toEqual([]);
});

test("a role of one's own can deny; a seeded one cannot be changed; an unknown one is not bound", async () => {
  await directory.createUser(actor, "bob");
  await directory.setRole(actor, {
    name: "careful",
    summary: "",
    grants: [{ effect: "deny", permission: "servers:exec" }],
  });
  await directory.setBinding(actor, { kind: "user", name: "bob" }, "admin", true);
  await directory.setBinding(actor, { kind: "user", name: "bob" }, "careful", true);
  expect(decideAccess(await directory.rolesOf("user", "bob"), "servers:exec").allowed).toBe(false);
  await expect(directory.setRole(actor, { name: "admin", summary: "", grants: [] })).rejects.toThrow(
    "part of labctl",
  );
  await expect(
    directory.setBinding(actor, { kind: "user", name: "bob" }, "amdin", true),
  ).rejects.toMatchObject({
    hint: "did you mean 'admin'?",
  });
});

test("what was done is in the audit, in one transaction with its effect, and the chain is whole", async () => {
  await directory.createUser(actor, "carol");
  await expect(directory.createUser(actor, "carol")).rejects.toThrow("already");
  const records = await audit.list({ limit: 10 });
  expect(records.map((record) => [record.actor, record.action, record.resource])).toEqual([
    ["local/root", "users:create", "user/carol"],
  ]);
  expect(await audit.verify()).toMatchObject({ whole: true, records: 1 });
});
