import { afterEach, beforeEach, expect, test } from "bun:test";
import { createManualClock } from "../platform/clock.ts";
import { openStore, type Store } from "../store/database.ts";
import { createAuditLog } from "./audit-log.ts";
import type { Actor } from "./principal.ts";
import { createSessions, type Sessions, sessionLife } from "./session-service.ts";

let clock: ReturnType<typeof createManualClock>;
let store: Store;
let sessions: Sessions;
const actor = (name: string, session?: string): Actor => ({
  principal: { name, kind: "user", roles: [], ...(session !== undefined && { session }) },
  from: "10.0.0.9",
  requestId: "r",
  startedAt: 0,
});
const alice = actor("user/alice");
const by = { from: "10.0.0.9", browser: "a browser", requestId: "r" };

beforeEach(() => {
  clock = createManualClock(Date.UTC(2026, 0, 1));
  store = openStore(":memory:");
  sessions = createSessions(store, createAuditLog(store, clock), clock, (n) =>
    crypto.getRandomValues(new Uint8Array(n)),
  );
});
afterEach(async () => {
  await sessions.stop();
  await store.close();
});

async function open(): Promise<string> {
  const { secret } = await sessions.offer(alice);
  return (await sessions.open(secret, by)).cookie;
}

test("of many that follow a link at once, one gets in", async () => {
  const { secret } = await sessions.offer(alice);
  const tries = await Promise.allSettled(Array.from({ length: 10 }, () => sessions.open(secret, by)));
  expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
});

test("a link that was not followed in time opens nothing", async () => {
  const { secret } = await sessions.offer(alice);
  clock.advance(sessionLife.link);
  await expect(sessions.open(secret, by)).rejects.toThrow("not accepted");
});

test("a session ends when nobody opens a page for its idle time; a script's asking does not count", async () => {
  const cookie = await open();
  clock.advance(sessionLife.idle - 1);
  expect(await sessions.recognise(cookie, true)).toMatchObject({ subject: "user/alice", state: "open" });
  clock.advance(sessionLife.idle - 1);
  expect(await sessions.recognise(cookie, false)).toBeDefined();
  clock.advance(1);
  expect(await sessions.recognise(cookie, false)).toBeUndefined();
});

test("however busy, a session ends", async () => {
  const cookie = await open();
  for (let at = 0; at < sessionLife.whole; at += sessionLife.idle / 2) {
    expect(await sessions.recognise(cookie, true)).toBeDefined();
    clock.advance(sessionLife.idle / 2);
  }
  expect(await sessions.recognise(cookie, true)).toBeUndefined();
  expect(await sessions.list()).toEqual([]);
});

test("what follows a session hears of its end, by order or by time", async () => {
  const ended: string[] = [];
  await open();
  const [first] = await sessions.list("user/alice");
  sessions.watch(first?.id ?? "", () => ended.push("by order"));
  await sessions.end(alice, first?.id ?? "");
  expect(ended).toEqual(["by order"]);
  await open();
  const [second] = await sessions.list("user/alice");
  await new Promise<void>((told) => {
    sessions.watch(second?.id ?? "", () => {
      ended.push("by time");
      told();
    });
    clock.advance(sessionLife.idle + 15_000);
  });
  expect(ended).toEqual(["by order", "by time"]);
});

test("a removed user's sessions and links end with them, and no other's", async () => {
  const cookie = await open();
  const { secret } = await sessions.offer(alice);
  const other = await sessions.offer(actor("user/bob"));
  await store.transaction((tx) => sessions.endAll(tx, "user/alice"));
  expect(await sessions.recognise(cookie, true)).toBeUndefined();
  await expect(sessions.open(secret, by)).rejects.toThrow("not accepted");
  expect((await sessions.open(other.secret, by)).subject).toBe("user/bob");
});

test("a session cannot make the next one, and an agent or a token none", async () => {
  await expect(sessions.offer(actor("user/alice", "web/1"))).rejects.toThrow("command line");
  const token = { ...alice, principal: { ...alice.principal, kind: "token" as const } };
  await expect(sessions.offer(token)).rejects.toThrow("command line");
});
