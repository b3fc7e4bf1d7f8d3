import { afterEach, beforeEach, expect, test } from "bun:test";
import { createManualClock } from "../platform/clock.ts";
import { silentLogger } from "../platform/logger.ts";
import { type Mac, macFromBytes, parseMac } from "../platform/mac.ts";
import { openStore, type Store } from "../store/database.ts";
import type { BootFact, DhcpFact } from "./boot-fact.ts";
import { createBootObserver } from "./observer.ts";
import { type BootRecord, createBootRecord } from "./record.ts";
import { createRecordRepository, type RecordRepository } from "./record-repository.ts";

const mac = parseMac("52:54:00:12:34:56");
let store: Store;
let repository: RecordRepository;
let clock: ReturnType<typeof createManualClock>;
let record: BootRecord;

const create = () => createBootRecord({ repository, clock, log: silentLogger });
beforeEach(async () => {
  store = openStore(":memory:");
  repository = createRecordRepository(store);
  clock = createManualClock(1_000_000);
  record = await create();
});
afterEach(async () => {
  await record.stop();
  await store.close();
});

const discover = (client: DhcpFact["client"] = "pxe"): BootFact => ({
  kind: "dhcp",
  at: clock.now(),
  port: 67,
  interface: "lab0",
  message: "DHCPDISCOVER",
  client,
  platform: "bios",
  answer: "DHCPOFFER",
  request: "",
});
const script = (): BootFact => ({
  kind: "script",
  at: clock.now(),
  via: "ipxe",
  order: "discover",
  files: [],
});
const fetched = (path: string): BootFact => ({
  kind: "fetch",
  at: clock.now(),
  method: "GET",
  path,
  status: 200,
  size: 1,
});
const kinds = async () => (await record.boots(mac)).map((boot) => boot.entries.map(({ fact }) => fact.kind));

test("a boot is one timeline, from the first DHCPDISCOVER on", async () => {
  record.add(mac, discover());
  clock.advance(3000);
  record.add(mac, discover("ipxe"));
  record.add(mac, script());
  record.add(mac, fetched("/ram/x86_64/vmlinuz"));
  record.add(mac, discover("plain"));
  record.add(mac, { kind: "discovered", at: clock.now() });
  expect(await kinds()).toEqual([["dhcp", "dhcp", "script", "fetch", "dhcp", "discovered"]]);
  expect((await record.boots(mac))[0]).toMatchObject({ startedAt: 1_000_000, lastAt: 1_003_000, phase: 4 });
});

test("a repetition is counted, with the time of its first and last", async () => {
  for (const second of [0, 4, 8]) {
    record.add(mac, discover());
    if (second < 8) clock.advance(4000);
  }
  const [boot] = await record.boots(mac);
  expect(boot?.entries).toHaveLength(1);
  expect(boot?.entries[0]).toMatchObject({ times: 3, lastAt: 1_008_000, fact: { at: 1_000_000 } });
});

test("the firmware starting over after a loader ran is a new boot; the newest comes first", async () => {
  record.add(mac, discover());
  record.add(mac, discover("ipxe"));
  record.add(mac, script());
  clock.advance(5000);
  record.add(mac, discover());
  expect(await kinds()).toEqual([["dhcp"], ["dhcp", "dhcp", "script"]]);
});

test("an iPXE in the card's ROM that starts over is a new boot; one that was chained to is not", async () => {
  record.add(mac, discover("ipxe"));
  record.add(mac, script());
  record.add(mac, discover("ipxe"));
  expect((await kinds()).length).toBe(2);
});

test("a transfer is one entry: how it ended takes the place of how it began", async () => {
  const running = {
    kind: "transfer",
    at: clock.now(),
    path: "ipxe.efi",
    size: 10,
    blksize: 512,
    windowsize: 1,
    outcome: "running",
  } as const;
  record.add(mac, discover());
  record.add(mac, running);
  record.add(mac, fetched("/boot.ipxe"));
  clock.advance(1000);
  await record.boots(mac);
  record.add(mac, { ...running, outcome: "completed", bytes: 10, retries: 0, durationMs: 1000 });
  const [boot] = await record.boots(mac);
  expect(boot?.entries.map(({ fact }) => (fact.kind === "transfer" ? fact.outcome : fact.kind))).toEqual([
    "dhcp",
    "completed",
    "fetch",
  ]);
});

test("a client that only wants an address has no record", async () => {
  record.add(mac, discover("plain"));
  record.add(mac, fetched("/boot.ipxe"));
  expect(await kinds()).toEqual([]);
});

test("the last five boots of a machine are kept", async () => {
  for (let boot = 0; boot < 8; boot++) {
    record.add(mac, discover());
    record.add(mac, script());
    await record.boots(mac);
    clock.advance(60_000);
  }
  const boots = await record.boots(mac);
  expect(boots.map(({ startedAt }) => (startedAt - 1_000_000) / 60_000)).toEqual([7, 6, 5, 4, 3]);
});

test("one boot takes no more than its share; what finds no room is counted", async () => {
  record.add(mac, discover());
  for (let n = 0; n < 1000; n++) record.add(mac, fetched(`/ram/${n}`));
  const [boot] = await record.boots(mac);
  expect([boot?.entries.length, boot?.dropped]).toEqual([200, 801]);
});

test("a flood of made-up MACs takes bounded room and costs no machine its record", async () => {
  record.add(mac, discover());
  record.add(mac, script());
  await record.boots(mac);
  for (let n = 0; n < 30_000; n++) {
    const made = macFromBytes(Uint8Array.of(2, 0, 0, n >> 16, n >> 8, n));
    if (made) record.add(made, discover());
  }
  expect(record.dropped()).toBeGreaterThan(0);
  expect(await kinds()).toEqual([["dhcp", "script"]]);
});

test("boots that came least far go first when there are too many in all", async () => {
  const add = async (id: number, phase: 0 | 2) =>
    repository.save(
      [{ id, mac: parseMac(`02000000000${id}`), startedAt: id, lastAt: id, phase, dropped: 0 }],
      [],
    );
  await add(1, 2);
  await add(2, 0);
  await add(3, 2);
  await repository.prune([], 5, 2);
  const left = await Promise.all([1, 2, 3].map((id) => repository.boots(parseMac(`02000000000${id}`), 5)));
  expect(left.map((boots) => boots.length)).toEqual([1, 0, 1]);
});

test("a boot goes on where it was after the daemon was restarted", async () => {
  record.add(mac, discover());
  record.add(mac, script());
  await record.stop();
  record = await create();
  clock.advance(20_000);
  record.add(mac, { kind: "discovered", at: clock.now() });
  expect(await kinds()).toEqual([["dhcp", "script", "discovered"]]);
});

test("facts that cannot be written are counted, and boots go on", async () => {
  const broken = await createBootRecord({
    repository: { ...repository, save: () => Promise.reject(new Error("disk full")) },
    clock,
    log: silentLogger,
  });
  broken.add(mac, discover());
  clock.advance(1000);
  await broken.stop();
  expect(broken.dropped()).toBe(1);
});

test("rule 23: files are laid to the MAC that has the address, and to the machine it belongs to", async () => {
  const other = parseMac("52:54:00:00:00:02");
  const orders = { primaryMac: (asked: Mac) => (asked === other ? mac : undefined) };
  const observer = createBootObserver(record, orders, () => clock.now());
  observer.script({ mac: other, clientIp: "10.0.0.50", via: "ipxe", order: "discover", files: [] });
  observer.fetched({ clientIp: "10.0.0.50", method: "GET", path: "/ram/a", status: 200, size: 5 });
  observer.fetched({ clientIp: "10.0.0.51", method: "GET", path: "/ram/b", status: 200, size: 5 });
  observer.tftp({
    kind: "request-refused",
    at: clock.now(),
    client: { address: "10.0.0.50" },
    filename: "x".repeat(5000),
    reason: "no",
  });
  const [boot] = await record.boots(mac);
  expect(boot?.entries.map(({ fact }) => fact.kind)).toEqual(["script", "fetch", "tftp-refused"]);
  expect(JSON.stringify(boot).length).toBeLessThan(2000);
});
