import { afterEach, expect, test } from "bun:test";
import { systemClock } from "../../src/platform/clock.ts";
import type { OptionList, Packet } from "../../src/protocols/tftp/packet.ts";
import { createRandom } from "../impairing-udp-proxy.ts";
import { createRawClient, randomBytes, startServer, until } from "./fixture.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function serve(...args: Parameters<typeof startServer>) {
  const started = await startServer(...args);
  cleanups.push(() => void started.server.stop());
  return started;
}

async function client(address?: string) {
  const raw = await createRawClient(address);
  cleanups.push(() => raw.close());
  return raw;
}

const rrq = (filename: string, options: OptionList = []): Packet => ({
  kind: "RRQ",
  filename,
  mode: "octet",
  options,
});
const ack = (block: number): Packet => ({ kind: "ACK", block });
const bytes = randomBytes(10_000);
const quick = { initial: 60, floor: 20, ceiling: 200, firstAnswer: 400, silence: 400, whole: 60_000 };

test("a transfer answers from a port of its own; with singlePort from the port that was asked", async () => {
  for (const singlePort of [false, true]) {
    const { port } = await serve({ f: bytes }, { singlePort });
    const raw = await client();
    raw.send(rrq("f"), port);
    const first = await raw.next();
    expect(first?.packet).toEqual({ kind: "DATA", block: 1, bytes: Buffer.from(bytes.subarray(0, 512)) });
    expect(first?.port === port).toBe(singlePort);
    raw.send(ack(1), first?.port ?? 0);
    expect((await raw.next())?.packet).toMatchObject({ kind: "DATA", block: 2 });
  }
});

test("rule 17: an OACK grants what was asked for in the spelling it was asked in, then waits for ACK 0", async () => {
  const { port } = await serve({ f: bytes });
  const raw = await client();
  raw.send(
    rrq("f", [
      ["TSIZE", "0"],
      ["blksize", "65464"],
      ["x", "y"],
      ["windowsize", "2"],
    ]),
    port,
  );
  const oack = await raw.next();
  expect(oack?.packet).toEqual({
    kind: "OACK",
    options: [
      ["TSIZE", "10000"],
      ["blksize", "1468"],
      ["windowsize", "2"],
    ],
  });
  raw.send(ack(0), oack?.port ?? 0);
  expect((await raw.next())?.packet).toMatchObject({ kind: "DATA", block: 1 });
  expect((await raw.next())?.packet).toMatchObject({ kind: "DATA", block: 2 });
  expect(await raw.next(30)).toBeUndefined();
});

test("blksize follows the MTU of the listening address's link", async () => {
  const { port } = await serve({ f: bytes }, { listen: { mtu: 1400 } });
  const raw = await client();
  raw.send(rrq("f", [["blksize", "1468"]]), port);
  expect((await raw.next())?.packet).toEqual({ kind: "OACK", options: [["blksize", "1368"]] });
});

test("without an MTU said, blksize follows the link that has the address", async () => {
  const inside = `
    mount -t sysfs sysfs /sys
    ip link add near mtu 1450 type veth peer name far
    ip address add 10.98.0.1/24 dev near
    ip link set lo up; ip link set near up; ip link set far up
    exec ${process.execPath} ${import.meta.dir}/ask-large.ts 10.98.0.1`;
  const child = Bun.spawn(["unshare", "--net", "--mount", "sh", "-ec", inside], { stdout: "pipe" });
  expect(JSON.parse(await new Response(child.stdout).text())).toEqual([["blksize", "1418"]]);
});

test("a window for a path of a smaller MTU than its link's, which the kernel cannot segment for, arrives whole", async () => {
  const inside = `
    ip link set lo up
    ip address add 10.98.0.1/32 dev lo
    ip route change local 10.98.0.1 dev lo table local mtu lock 600
    exec ${process.execPath} ${import.meta.dir}/ask-window.ts 10.98.0.1`;
  const child = Bun.spawn(["unshare", "--net", "sh", "-ec", inside], { stdout: "pipe" });
  expect(JSON.parse(await new Response(child.stdout).text())).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test("asking for the size and leaving is recorded as that", async () => {
  const { port, server, ended } = await serve({ f: bytes });
  const raw = await client();
  raw.send(rrq("f", [["tsize", "0"]]), port);
  const oack = await raw.next();
  raw.send({ kind: "ERROR", code: 8, message: "User aborted the transfer" }, oack?.port ?? 0);
  await until(() => server.active() === 0);
  expect(ended()).toMatchObject([{ outcome: "probed", bytes: 0, path: "f" }]);
});

test("backslashes, leading slashes and dots find the file; what leaves the root finds nothing", async () => {
  const { port } = await serve({ "grub/grub.cfg": bytes });
  for (const name of ["/grub/grub.cfg", "\\grub\\grub.cfg", "grub//./grub.cfg"]) {
    const raw = await client();
    raw.send(rrq(name), port);
    expect((await raw.next())?.packet.kind).toBe("DATA");
  }
  for (const name of ["../../etc/passwd", "/../etc/passwd", "..\\..\\boot.ini"]) {
    const raw = await client();
    raw.send(rrq(name), port);
    expect((await raw.next())?.packet).toEqual({ kind: "ERROR", code: 2, message: "path leaves the root" });
  }
});

test("RFC 1350: a stranger on a transfer's port gets error 5 and the transfer goes on", async () => {
  const { port } = await serve({ f: bytes });
  const [raw, stranger] = [await client(), await client()];
  raw.send(rrq("f"), port);
  const tid = (await raw.next())?.port ?? 0;
  stranger.send(ack(1), tid);
  expect((await stranger.next())?.packet).toMatchObject({ kind: "ERROR", code: 5 });
  stranger.close();
  expect(await raw.next(30)).toBeUndefined();
  raw.send(ack(1), tid);
  expect((await raw.next())?.packet).toMatchObject({ kind: "DATA", block: 2 });
});

test("a stranger that provokes an answer and closes its port cannot end somebody's transfer", async () => {
  const { port, server } = await serve({ f: bytes });
  const raw = await client();
  raw.send(rrq("f"), port);
  const tid = (await raw.next())?.port ?? 0;
  for (let n = 0; n < 20; n++) {
    const stranger = await createRawClient();
    stranger.send(ack(1), tid);
    stranger.close();
  }
  await Bun.sleep(30);
  expect(server.active()).toBe(1);
  raw.send(ack(1), tid);
  expect((await raw.next())?.packet).toMatchObject({ kind: "DATA", block: 2 });
});

test("a request repeated while its answer is on the way starts nothing new", async () => {
  const { port, events } = await serve({ f: bytes });
  const raw = await client();
  for (let n = 0; n < 3; n++) raw.send(rrq("f"), port);
  expect((await raw.next())?.packet).toMatchObject({ kind: "DATA", block: 1 });
  expect(await raw.next(30)).toBeUndefined();
  expect(events.map(({ kind }) => kind)).toEqual(["transfer-started"]);
});

test("a ROM that asks anew from the same port gets a new transfer, the old one ends", async () => {
  const { port, server, ended } = await serve({ f: bytes, g: bytes });
  const raw = await client();
  raw.send(rrq("f"), port);
  await raw.next();
  raw.send(rrq("g", [["tsize", "0"]]), port);
  expect((await raw.next())?.packet).toMatchObject({ kind: "OACK" });
  expect(ended()).toMatchObject([{ outcome: "superseded", path: "f" }]);
  expect(server.active()).toBe(1);
});

test("silence is answered with retransmission, then with an ERROR, and the place is free", async () => {
  const { port, server, ended } = await serve({ f: bytes }, { limits: { times: quick } });
  const raw = await client();
  raw.send(rrq("f"), port);
  const kinds: string[] = [];
  for (let next = await raw.next(); next; next = await raw.next(300)) kinds.push(next.packet.kind);
  expect(kinds.length).toBeGreaterThan(2);
  expect(kinds.at(-1)).toBe("ERROR");
  expect(new Set(kinds.slice(0, -1))).toEqual(new Set(["DATA"]));
  expect(server.active()).toBe(0);
  expect(ended()).toMatchObject([{ outcome: "timed-out" }]);
});

test("more transfers than one client may have are refused with an ERROR", async () => {
  const { port, server } = await serve({ f: bytes }, { limits: { perClient: 2 } });
  const ask = async (address: string) => {
    const raw = await client(address);
    raw.send(rrq("f"), port);
    return (await raw.next())?.packet;
  };
  expect(await ask("127.0.0.1")).toMatchObject({ kind: "DATA" });
  expect(await ask("127.0.0.1")).toMatchObject({ kind: "DATA" });
  expect(await ask("127.0.0.1")).toMatchObject({ kind: "ERROR", code: 0 });
  expect(await ask("127.0.0.2")).toMatchObject({ kind: "DATA" });
  expect(server.active()).toBe(3);
});

test("who comes while all transfers are taken waits his turn, in the order of asking, and is served", async () => {
  const { port, server } = await serve({ f: bytes }, { limits: { perClient: 2, transfers: 1, waiting: 3 } });
  const [first, second, third] = [
    await client("127.0.0.1"),
    await client("127.0.0.2"),
    await client("127.0.0.3"),
  ];
  first.send(rrq("f"), port);
  const begun = await first.next();
  for (const waits of [second, third, second]) waits.send(rrq("f"), port);
  // one more of his own fits beside the one that waits, two do not; a fourth in line does not
  for (const more of ["ok", "busy"]) {
    const raw = await client("127.0.0.3");
    raw.send(rrq("f"), port);
    if (more === "busy") expect((await raw.next())?.packet).toMatchObject({ kind: "ERROR", code: 0 });
  }
  const late = await client("127.0.0.4");
  late.send(rrq("f"), port);
  expect((await late.next())?.packet).toMatchObject({ kind: "ERROR", code: 0 });
  expect(server.active()).toBe(1);

  first.send({ kind: "ERROR", code: 0, message: "enough" }, begun?.port ?? 0);
  const served = await second.next();
  expect(served?.packet).toMatchObject({ kind: "DATA", block: 1 });
  second.send({ kind: "ERROR", code: 0, message: "enough" }, served?.port ?? 0);
  expect((await third.next())?.packet).toMatchObject({ kind: "DATA", block: 1 });
});

test("who waits for a transfer and asks no more is passed over, and counts no more", async () => {
  const { port } = await serve({ f: bytes }, { limits: { perClient: 1, transfers: 1, patienceMs: 400 } });
  const [first, gone, keen] = [
    await client("127.0.0.1"),
    await client("127.0.0.2"),
    await client("127.0.0.3"),
  ];
  first.send(rrq("f"), port);
  const begun = await first.next();
  gone.send(rrq("f"), port);
  await Bun.sleep(600);
  keen.send(rrq("f"), port);
  first.send({ kind: "ERROR", code: 0, message: "enough" }, begun?.port ?? 0);
  const served = await keen.next();
  expect(served?.packet).toMatchObject({ kind: "DATA", block: 1 });
  keen.send({ kind: "ERROR", code: 0, message: "enough" }, served?.port ?? 0);
  const again = await client("127.0.0.2");
  again.send(rrq("f"), port);
  expect((await again.next())?.packet).toMatchObject({ kind: "DATA", block: 1 });
});

test("a file that opens too slowly, cannot be opened or ends too soon is an ERROR without its path", async () => {
  const source = {
    open(path: string) {
      if (path === "slow") return new Promise<undefined>(() => {});
      if (path === "broken") throw new Error("EIO: /secret/path");
      return { size: 5000, read: async () => new Uint8Array(10) };
    },
  };
  const { port, server } = await serve({}, { source, limits: { openMs: 30 } });
  for (const name of ["slow", "broken", "short"]) {
    const raw = await client();
    raw.send(rrq(name), port);
    const packet = (await raw.next())?.packet;
    expect(packet).toMatchObject({ kind: "ERROR", code: 0 });
    expect(JSON.stringify(packet)).not.toContain("secret");
  }
  expect(server.active()).toBe(0);
});

test("every opened file is closed again, whatever happened to its transfer", async () => {
  let open = 0;
  const file = () => {
    open++;
    return {
      size: 5000,
      read: async (_: number, length: number) => new Uint8Array(length),
      close: () => void open--,
    };
  };
  const { port, server } = await serve({}, { source: { open: async () => file() } });
  const [probe, reader, left] = [await client(), await client(), await client()];
  probe.send(rrq("f", [["tsize", "0"]]), port);
  probe.send({ kind: "ERROR", code: 0, message: "" }, (await probe.next())?.port ?? 0);
  reader.send(
    rrq("f", [
      ["blksize", "1468"],
      ["windowsize", "8"],
    ]),
    port,
  );
  const tid = (await reader.next())?.port ?? 0;
  reader.send(ack(0), tid);
  await reader.next();
  reader.send(ack(4), tid);
  left.send(rrq("f"), port);
  await left.next();
  await until(() => server.active() === 1);
  await server.stop();
  await until(() => open === 0);
});

test("garbage of every kind neither stops the server nor gets an answer", async () => {
  const { port, server } = await serve({ f: bytes });
  const raw = await client();
  const random = createRandom(5);
  for (let n = 0; n < 2000; n++) {
    const junk = Uint8Array.from({ length: 1 + random() * 60 }, () => random() * 256);
    junk[0] = 0;
    junk[1] = [0, 3, 4, 5, 6, 7, 255][n % 7] ?? 0;
    raw.send(junk, port);
    if (n % 100 === 0) await Bun.sleep(1);
  }
  expect(await raw.next(50)).toBeUndefined();
  raw.send(rrq("f"), port);
  expect((await raw.next())?.packet).toMatchObject({ kind: "DATA", block: 1 });
  expect(server.active()).toBe(1);
});

test("garbage on a transfer's own port does not stop it; DATA from a reader ends it with error 4", async () => {
  const { port, ended } = await serve({ f: bytes });
  const raw = await client();
  raw.send(rrq("f"), port);
  const tid = (await raw.next())?.port ?? 0;
  for (const junk of [[0], [0, 9, 1, 1], [255, 255, 0, 0], []]) raw.send(Uint8Array.from(junk), tid);
  raw.send(ack(1), tid);
  expect((await raw.next())?.packet).toMatchObject({ kind: "DATA", block: 2 });
  raw.send({ kind: "DATA", block: 1, bytes: new Uint8Array(1) }, tid);
  expect((await raw.next())?.packet).toMatchObject({ kind: "ERROR", code: 4 });
  expect(ended()).toMatchObject([{ outcome: "aborted" }]);
});

test("a server that was held up reads what came meanwhile before it calls a client late", async () => {
  let now = 0;
  let tick = () => {};
  const clock = {
    ...systemClock,
    monotonic: () => now,
    every(_ms: number, run: () => void) {
      tick = run;
      return () => {};
    },
  };
  const { port } = await serve({ f: bytes }, { clock });
  const raw = await client();
  raw.send(rrq("f"), port);
  await raw.next();
  now += 1500;
  tick();
  expect(await raw.next(30)).toBeUndefined();
  now += 20;
  tick();
  expect((await raw.next())?.packet).toMatchObject({ kind: "DATA", block: 1 });
});

test("stop tells the clients, frees the port, and leaves no timer behind", async () => {
  let timers = 0;
  const clock = {
    ...systemClock,
    every(ms: number, run: () => void) {
      timers++;
      const cancel = systemClock.every(ms, run);
      return () => {
        timers--;
        cancel();
      };
    },
  };
  const { port, server, ended } = await serve({ f: bytes }, { clock });
  const raw = await client();
  raw.send(rrq("f"), port);
  await raw.next();
  expect(timers).toBe(1);
  await server.stop();
  expect((await raw.next())?.packet).toMatchObject({ kind: "ERROR", message: "server is stopping" });
  expect(ended()).toMatchObject([{ outcome: "stopped" }]);
  expect([timers, server.active()]).toEqual([0, 0]);
  const again = await serve({ f: bytes }, { listen: { port } });
  expect(again.port).toBe(port);
});

test("a port that is taken is named in the error, with what to look at", async () => {
  const { port } = await serve({});
  const failure = startServer({}, { listen: { port } });
  await expect(failure).rejects.toThrow(`TFTP cannot listen on 127.0.0.1 port ${port}`);
  await expect(failure).rejects.toMatchObject({ code: "conflict", hint: expect.stringContaining(`${port}`) });
});

test("an address that goes away takes its transfers along and leaves those of the others", async () => {
  const { port, server, ended } = await serve({ f: bytes });
  const other = await server.listen({ address: "127.0.0.2", port: 0 });
  const [here, there] = [await client(), await client()];
  here.send(rrq("f"), port);
  const tid = (await here.next())?.port ?? 0;
  there.send(rrq("f"), other.port, "127.0.0.2");
  await there.next();
  expect(server.active()).toBe(2);
  await other.stop();
  expect(ended()).toMatchObject([{ outcome: "stopped", client: { local: "127.0.0.2" } }]);
  here.send(ack(1), tid);
  expect((await here.next())?.packet).toMatchObject({ kind: "DATA", block: 2 });
});

test("an event carries what the boot record needs", async () => {
  const { port, events, ended } = await serve({ f: bytes });
  const raw = await client();
  raw.send(
    rrq("/f", [
      ["blksize", "1000"],
      ["windowsize", "11"],
    ]),
    port,
  );
  const tid = (await raw.next())?.port ?? 0;
  raw.send(ack(0), tid);
  for (let n = 0; n < 11; n++) await raw.next();
  raw.send(ack(11), tid);
  await until(() => ended().length === 1);
  const who = { address: "127.0.0.1", port: raw.port, local: "127.0.0.1" };
  expect(events[0]).toMatchObject({ kind: "transfer-started", client: who, path: "f", size: 10_000 });
  expect(ended()[0]).toMatchObject({
    client: who,
    outcome: "completed",
    bytes: 10_000,
    blocks: 11,
    retries: 0,
    blksize: 1000,
    windowsize: 11,
    asked: [
      ["blksize", "1000"],
      ["windowsize", "11"],
    ],
  });
  expect(ended()[0]?.rate).toBeGreaterThan(0);
});
