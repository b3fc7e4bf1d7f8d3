import { afterEach, describe, expect, test } from "bun:test";
import { createImpairingUdpProxy } from "../impairing-udp-proxy.ts";
import { edgeSizes, randomBytes, realClients, runClient, sha256, startServer, until } from "./fixture.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function serve(...[files, options]: Parameters<typeof startServer>) {
  const started = await startServer(files, options);
  cleanups.push(() => void started.server.stop());
  return started;
}

const files = Object.fromEntries(edgeSizes.map((size) => [`size-${size}`, randomBytes(size)]));
const variants = [
  { name: "a port per transfer", options: {} },
  { name: "a port per transfer, without segmentation", options: { segmentation: false } },
  { name: "one port", options: { singlePort: true } },
];

for (const variant of variants) {
  describe(variant.name, () => {
    for (const client of realClients) {
      test(`${client.name} gets files of every length around a block's edge`, async () => {
        const { port, server, ended } = await serve(files, variant.options);
        // curl takes a tsize of 0 in an OACK for an error
        const sizes = edgeSizes.filter((size) => size > 0 || client.name !== "curl");
        const results = await Promise.all(sizes.map((size) => runClient(client.get(port, `size-${size}`))));
        for (const [index, size] of sizes.entries()) {
          expect(results[index]).toMatchObject({ code: 0, bytes: files[`size-${size}`] });
        }
        await until(() => server.active() === 0);
        expect(new Set(ended().map(({ outcome }) => outcome))).toEqual(new Set(["completed"]));
      });
    }
  });
}

test("every client gets 100 kB whole over 5 % loss in both directions", async () => {
  const bytes = randomBytes(100_000);
  const { port } = await serve({ file: bytes });
  await Promise.all(
    realClients.map(async (client, index) => {
      const proxy = await createImpairingUdpProxy(
        { address: "127.0.0.1", port },
        { loss: 0.05, seed: 20 + index },
      );
      cleanups.push(() => proxy.stop());
      const result = await runClient(client.get(proxy.port, "file"));
      expect({ client: client.name, ...result, bytes: sha256(result.bytes) }).toMatchObject({
        client: client.name,
        code: 0,
        bytes: sha256(bytes),
      });
      expect(proxy.stats().dropped).toBeGreaterThan(3);
    }),
  );
}, 60_000);

test("datagrams that arrive twice and overtake each other do no harm", async () => {
  const bytes = randomBytes(60_000);
  const { port } = await serve({ file: bytes });
  const impairment = { loss: 0.01, duplicates: 0.2, delayMs: 1, jitterMs: 3, seed: 3 };
  await Promise.all(
    realClients.map(async (client) => {
      const proxy = await createImpairingUdpProxy({ address: "127.0.0.1", port }, impairment);
      cleanups.push(() => proxy.stop());
      const result = await runClient(client.get(proxy.port, "file"));
      expect({ client: client.name, ...result, bytes: sha256(result.bytes) }).toMatchObject({
        client: client.name,
        code: 0,
        bytes: sha256(bytes),
      });
    }),
  );
}, 60_000);

test("40 MB in blocks of 512 bytes: the block number wraps and the client has every byte", async () => {
  const bytes = randomBytes(40_000_000);
  const { port, server, ended } = await serve({ big: bytes });
  const options = ["--option", "blksize 512", "--option", "windowsize 64"];
  const result = await runClient([
    "atftp",
    ...options,
    "-g",
    "-r",
    "big",
    "-l",
    "out",
    "127.0.0.1",
    `${port}`,
  ]);
  expect(result.code).toBe(0);
  expect(sha256(result.bytes)).toBe(sha256(bytes));
  await until(() => server.active() === 0);
  expect(ended()).toMatchObject([{ outcome: "completed", blocks: 78_126, bytes: 40_000_000 }]);
}, 60_000);

test("sixty clients at once share one file and each has every byte", async () => {
  const bytes = randomBytes(500_000);
  let reads = 0;
  const file = {
    size: bytes.length,
    key: "shared",
    read: async (offset: number, length: number) => {
      reads++;
      return bytes.subarray(offset, offset + length);
    },
  };
  const { port, server, ended } = await serve({ file }, { limits: { perClient: 100 } });
  const commands = Array.from({ length: 60 }, (_, index) => {
    const flags = ["--tftp-blksize", index % 2 === 0 ? "1468" : "512"];
    return ["curl", "-sS", ...flags, "-o", "out", `tftp://127.0.0.1:${port}/file`];
  });
  const results = await Promise.all(commands.map(runClient));
  for (const result of results) expect(sha256(result.bytes)).toBe(sha256(bytes));
  await until(() => server.active() === 0);
  expect(ended()).toHaveLength(60);
  // two runs of 256 KiB for each of the two block sizes, however many clients ask
  expect(reads).toBe(4);
}, 60_000);

test("tftp-hpa reads a text in netascii and gets its line ends back", async () => {
  const text = "first\nsecond\n\rthird\n";
  const { port, ended } = await serve({ text: new TextEncoder().encode(text) });
  const command = ["tftp", "-m", "netascii", "127.0.0.1", `${port}`, "-c", "get", "text", "out"];
  expect(new TextDecoder().decode((await runClient(command)).bytes)).toBe(text);
  expect(ended()).toMatchObject([{ mode: "netascii", outcome: "completed" }]);
});

test("a client killed half way is noticed at once, and its place is free again", async () => {
  const { port, server, events, ended } = await serve({ big: randomBytes(40_000_000) });
  const child = Bun.spawn(["busybox", "tftp", "-g", "-r", "big", "-l", "/dev/null", "127.0.0.1", `${port}`]);
  await until(() => events.some((event) => event.kind === "transfer-started"));
  await Bun.sleep(50);
  child.kill("SIGKILL");
  await until(() => server.active() === 0, 2000);
  expect(ended()).toMatchObject([{ outcome: "unreachable" }]);
  expect(ended()[0]?.bytes).toBeLessThan(40_000_000);
});

test("a client that asks for what is not there fails at once and says why", async () => {
  const { port, events } = await serve({});
  const result = await runClient(["curl", "-sS", "-o", "out", `tftp://127.0.0.1:${port}/autoexec.ipxe`]);
  expect(result.code).toBe(68); // CURLE_TFTP_NOTFOUND
  expect(events).toMatchObject([{ kind: "request-refused", filename: "autoexec.ipxe", code: 1 }]);
});

test("a client that wants to write is refused", async () => {
  const { port, events } = await serve({});
  const result = await runClient(["sh", "-c", `echo x > y; curl -sS -T y tftp://127.0.0.1:${port}/`]);
  expect(result.code).not.toBe(0);
  expect(events).toMatchObject([{ kind: "request-refused", code: 2 }]);
});
