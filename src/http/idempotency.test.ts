import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "@hono/zod-openapi";
import { createManualClock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import { silentLogger } from "../platform/logger.ts";
import { openStore, type Store } from "../store/database.ts";
import { createApi, guardedRoute } from "./gate.ts";
import { tidyKeys } from "./idempotency-repository.ts";
import { createLocalGate, createRoomApp } from "./testdata/local-gate.ts";

const key = "8e03978e-40d5-43dd-bc93-6894a57f9324";
const clock = createManualClock(Date.UTC(2026, 0, 1));
let directory: string;
let store: Store;
let service: ReturnType<typeof startService>;

/** A service on the database whose one route makes a thing with a secret, in one transaction with its audit. */
function startService() {
  const { audit, gate } = createLocalGate(store, clock);
  let made = 0;
  let before: () => Promise<void> = async () => {};
  let after: () => Promise<void> = async () => {};
  const rooms = createApi().openapi(
    guardedRoute(
      gate,
      "things:create",
      {
        method: "post",
        path: "/api/v1/things",
        request: { body: { content: { "application/json": { schema: z.object({ name: z.string() }) } } } },
        responses: { 201: { description: "it", content: { "application/json": { schema: z.unknown() } } } },
      },
      { audited: true, once: true },
    ),
    async (context) => {
      await before();
      const { name } = context.req.valid("json");
      if (name === "bad") throw new AppError("conflict", "there is one already");
      made++;
      await store.transaction((tx) =>
        audit.append(tx, context.var.actor, { action: "things:create", resource: `thing/${name}` }),
      );
      await after();
      return context.json({ secret: `secret-${made}` }, 201);
    },
  );
  const app = createRoomApp(gate, [rooms], silentLogger);
  const origin = (user: string) => ({
    clientIp: "",
    baseUrl: "",
    untimed: () => {},
    peer: { kind: "local" as const, uid: 0, user },
  });
  return {
    ask: async (name: string, options: { key?: string; user?: string } = {}) => {
      const headers = { "content-type": "application/json", "idempotency-key": options.key ?? key };
      const body = JSON.stringify({ name });
      const request = new Request("http://labctl/api/v1/things", { method: "POST", headers, body });
      const response = await app.fetch(request, origin(options.user ?? "root"));
      return {
        status: response.status,
        text: await response.text(),
        replayed: response.headers.get("idempotency-replayed"),
        retryAfter: response.headers.get("retry-after"),
      };
    },
    made: () => made,
    audit,
    pause(hooks: { before?: () => Promise<void>; after?: () => Promise<void> }) {
      before = hooks.before ?? before;
      after = hooks.after ?? after;
    },
  };
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "labctl-once-"));
  store = openStore(join(directory, "db.sqlite"));
  service = startService();
});
afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

test("the same request with the same key is done once and answered alike, its secret included", async () => {
  const first = await service.ask("a");
  const second = await service.ask("a");
  expect([first.status, first.text, first.replayed]).toEqual([201, '{"secret":"secret-1"}', null]);
  expect([second.status, second.text, second.replayed]).toEqual([201, first.text, "true"]);
  expect(service.made()).toBe(1);
});

test("what the database holds of an answer is of no use without the key", async () => {
  await service.ask("a");
  const database = new Database(join(directory, "db.sqlite"), { readonly: true });
  const rows = JSON.stringify(database.query("SELECT * FROM idempotency_keys").all());
  database.close();
  expect(rows).not.toContain("secret-1");
  expect(rows).not.toContain(Buffer.from("secret-1").toString("base64").slice(0, 10));
  expect(rows).not.toContain(key);
});

test("a key that comes with another request is refused", async () => {
  await service.ask("a");
  const other = await service.ask("b");
  expect([other.status, JSON.parse(other.text).code]).toEqual([422, "reused"]);
  expect(service.made()).toBe(1);
});

test("keys are each identity's own", async () => {
  await service.ask("a");
  expect((await service.ask("a", { user: "alice" })).text).toBe('{"secret":"secret-2"}');
});

test("a refused request did nothing: the key is free again", async () => {
  expect((await service.ask("bad")).status).toBe(409);
  expect((await service.ask("a")).status).toBe(201);
});

test("of many that come at once one is done, the others are told to come back", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  service.pause({ before: () => promise });
  const asked = Array.from({ length: 20 }, () => service.ask("a"));
  const others = await Promise.all(
    Array.from({ length: 19 }, () =>
      Promise.race(asked.map(async (each, index) => ({ index, answer: await each }))),
    ),
  );
  for (const { answer } of others) expect([answer.status, answer.retryAfter]).toEqual([409, "1"]);
  resolve();
  const statuses = (await Promise.all(asked)).map(({ status }) => status).sort();
  expect(statuses).toEqual([201, ...new Array(19).fill(409)]);
  expect(service.made()).toBe(1);
});

test("ended before it was done: the request that comes again does it", async () => {
  await new Promise<void>((reached) => {
    service.pause({
      before: () => {
        reached();
        return new Promise(() => {});
      },
    });
    void service.ask("a");
  });
  service = startService();
  expect((await service.ask("a")).status).toBe(201);
  expect(service.made()).toBe(1);
});

test("ended after it was done and before the answer was kept: it is not done again, and says so", async () => {
  await new Promise<void>((reached) => {
    service.pause({
      after: () => {
        reached();
        return new Promise(() => {});
      },
    });
    void service.ask("a");
  });
  service = startService();
  const again = await service.ask("a");
  expect([again.status, JSON.parse(again.text).detail]).toEqual([
    409,
    "this was done, and its answer was lost as the service ended",
  ]);
  expect(service.made()).toBe(0);
});

test("a key is forgotten after a day", async () => {
  await service.ask("a");
  clock.advance(24 * 3_600_000 + 1);
  expect((await service.ask("a")).replayed).toBeNull();
});

test("an identity that has too many keys loses the oldest", async () => {
  const identity = "local/root";
  for (let index = 0; index < 5; index++) {
    clock.advance(1000);
    await service.ask("a", { key: `${key}-${index}` });
  }
  await store.transaction((tx) => tidyKeys(tx, identity, 0, 3));
  expect((await service.ask("a", { key: `${key}-1` })).replayed).toBeNull();
  expect((await service.ask("a", { key: `${key}-4` })).replayed).toBe("true");
});

test("a key that could be guessed is refused, as it opens the answer", async () => {
  expect((await service.ask("a", { key: "1" })).status).toBe(400);
});

test("an answer that is given again is in the audit", async () => {
  await service.ask("a");
  await service.ask("a");
  const details = (await service.audit.list({ limit: 10 })).map(({ detail }) => detail);
  expect(details).toEqual(["answered again, not done again", undefined]);
});
