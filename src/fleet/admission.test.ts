import { afterEach, beforeEach, expect, test } from "bun:test";
import { createAuditLog } from "../access/audit-log.ts";
import { type Authority, openAuthority } from "../access/authority.ts";
import { createKeySeal } from "../access/key-seal.ts";
import { type Actor, createSigningRequest, type TokenService } from "../access/service.ts";
import { createTokenService } from "../access/token-service.ts";
import { createRemoteMachines } from "../machines/service.ts";
import { createManualClock } from "../platform/clock.ts";
import { silentLogger } from "../platform/logger.ts";
import { openStore, type Store } from "../store/database.ts";
import { serveAgent } from "./agent-stream.server.ts";
import { type Bastions, createBastions } from "./bastion-service.ts";
import type { Socket } from "./inbox.server.ts";
import { protocolVersions } from "./protocol.ts";
import { createFleet, type Fleet } from "./service.ts";

let clock: ReturnType<typeof createManualClock>;
let store: Store;
let authority: Authority;
let tokens: TokenService;
let fleet: Fleet;
let bastions: Bastions;
let recordRefusal: () => Promise<void>;
const actor: Actor = {
  principal: { name: "local/root", kind: "local", roles: [] },
  from: "",
  requestId: "r1",
  startedAt: 0,
};

beforeEach(async () => {
  clock = createManualClock(Date.UTC(2026, 0, 1));
  store = openStore(":memory:");
  const audit = createAuditLog(store, clock);
  const random = (n: number) => crypto.getRandomValues(new Uint8Array(n));
  const newId = () => Buffer.from(random(10)).toString("hex");
  authority = await openAuthority(store, await createKeySeal("5a".repeat(32), "test"), audit, clock, "lab");
  tokens = createTokenService(store, audit, clock, random, authority.fingerprint);
  fleet = await createFleet({ store, clock, audit, authority, tokens, newId });
  const remote = createRemoteMachines(store, clock);
  bastions = await createBastions({ store, clock, audit, authority, tokens, remote });
  recordRefusal = () =>
    audit.record(actor, { action: "agents:connect", resource: "server/n1", result: "refused" });
});
afterEach(async () => {
  await bastions.stop();
  await fleet.stop();
  await store.close();
});

const tokenFor = async (scope: { as?: "bastion"; name?: string }) =>
  (
    await tokens.create(actor, {
      kind: "join",
      description: "",
      scope: { labels: {}, ...scope },
      lifetime: 60_000,
    })
  ).text;
const csr = async () => (await createSigningRequest("h")).csrPem;
const fingerprintsOf = async (holder: "agent" | "bastion", name: string) =>
  (await authority.certificatesOf(holder, name)).filter(({ revokedAt }) => revokedAt === null);

test("of hosts that enrol in one commit under one name, one gets it and keeps it", async () => {
  const token = await tokenFor({});
  const requests = await Promise.all(
    ["a", "b", "c"].map(async (mac) => ({
      token,
      csr: await csr(),
      hostname: "localhost",
      macs: [mac],
      agentVersion: "1",
      address: "10.0.0.9",
    })),
  );
  const ends = await Promise.allSettled(requests.map((request) => fleet.enrol(actor, request)));
  expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
  expect(fleet.find("localhost").macs).toEqual(["a"]);
  expect(await fingerprintsOf("agent", "localhost")).toHaveLength(1);
});

test("of bastions that enrol in one commit under one name, one gets it and keeps it", async () => {
  const token = await tokenFor({ as: "bastion" });
  const requests = await Promise.all(
    ["1", "2"].map(async (version) => ({ token, csr: await csr(), hostname: "rack", version, address: "" })),
  );
  const ends = await Promise.allSettled(requests.map((request) => bastions.enrol(actor, request)));
  expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  expect(await fingerprintsOf("bastion", "rack")).toHaveLength(1);
});

test("a bastion that is revoked while it has not said hello is not let in by it", async () => {
  const token = await tokenFor({ as: "bastion", name: "rack" });
  await bastions.enrol(actor, { token, csr: await csr(), hostname: "rack", version: "1", address: "" });
  const [certificate] = await fingerprintsOf("bastion", "rack");
  const closed: string[] = [];
  const link = {
    fingerprint: certificate?.fingerprint ?? "",
    trust() {},
    close: (reason: string) => void closed.push(reason),
  };
  const hello = { outbox: "o", version: "1", address: "" };
  await bastions.takeBack(actor, "rack", "stolen", false);
  await expect(bastions.greet("rack", hello, link)).rejects.toThrow("stolen");
  expect(bastions.list()).toMatchObject([{ state: "disconnected" }]);
});

test("an agent that is revoked while it is let in does not stay", async () => {
  const token = await tokenFor({ name: "n1" });
  const request = { token, csr: await csr(), hostname: "n1", macs: [], agentVersion: "1", address: "" };
  await fleet.enrol(actor, request);
  const [certificate] = await fingerprintsOf("agent", "n1");
  let receive = (_: Buffer) => {};
  let ended = false;
  const closes: (() => void)[] = [];
  const end = () => {
    ended = true;
    for (const close of closes) close();
  };
  const socket: Socket = {
    send() {},
    ping() {},
    close: end,
    terminate: end,
    pause() {},
    resume() {},
    bufferedAmount: 0,
    on(event: string, handle: (data: Buffer) => void) {
      if (event === "message") receive = handle;
      if (event === "close") closes.push(() => handle(Buffer.alloc(0)));
    },
    once() {},
  };
  serveAgent(
    socket,
    { name: "n1", fingerprint: certificate?.fingerprint ?? "", address: "", actor },
    {
      fleet,
      heartbeat: 1000,
      authorities: authority.bundle,
      noteRival: recordRefusal,
      clock,
      logger: silentLogger,
    },
  );
  const hello = { kind: "hello", versions: [...protocolVersions], agent: "1", boot: "b1", features: [] };
  receive(Buffer.from(JSON.stringify(hello)));
  await fleet.revoke(actor, "n1", "stolen");
  await Bun.sleep(20);
  expect(ended).toBe(true);
  expect(fleet.find("n1").state).toBe("disconnected");
});
