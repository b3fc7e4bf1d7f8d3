import { afterEach, expect, test } from "bun:test";
import { createServer, type Server } from "node:tls";
import { createLogger, silentLogger } from "../../src/platform/logger.ts";
import { createPveClient } from "../../src/protocols/pve/client.ts";
import { parseEndpoint } from "../../src/protocols/pve/endpoint.ts";
import { PveTlsMismatch, PveUnreachable } from "../../src/protocols/pve/errors.ts";
import { createExchange } from "../../src/protocols/pve/exchange.client.ts";
import { type Fingerprint, parseFingerprint } from "../../src/protocols/pve/fingerprint.ts";
import { observeCertificate } from "../../src/protocols/pve/pinned-tls.client.ts";
import { PveToken } from "../../src/protocols/pve/token.ts";
import { parseVmid } from "../../src/protocols/pve/vmid.ts";
import { createAuthority, type Issued } from "../fake-pve/certificate.ts";
import { createFakePve, type FakePve } from "../fake-pve/fake.ts";
import { tokens } from "../fake-pve/lab.ts";
import { connect, hastyClock } from "./connect.ts";

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function startFake(options: Parameters<typeof createFakePve>[0] = {}): Promise<FakePve> {
  const fake = await createFakePve(options);
  closing.push(() => fake.close());
  return fake;
}

/** A TLS server that is not the node: it keeps every byte it is sent. */
async function startImpostor(tls: Issued): Promise<{ address: string; received: () => string }> {
  let received = "";
  const server: Server = createServer({ cert: tls.cert, key: tls.key }, (socket) => {
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => void server.close());
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { address: `127.0.0.1:${port}`, received: () => received };
}

function clientFor(address: string, trust: { fingerprint?: Fingerprint; ca?: string }) {
  const client = createPveClient({
    exchange: createExchange([parseEndpoint(address, trust.fingerprint)], trust.ca, hastyClock),
    token: PveToken.parse(tokens.full, "the test"),
    clock: hastyClock,
    random: Math.random,
    logger: silentLogger,
  });
  closing.push(() => client.close());
  return client;
}

test("a server with another certificate than the pinned one is not sent one byte", async () => {
  const authority = await createAuthority();
  const [right, wrong] = await Promise.all([authority.issue(["127.0.0.1"]), authority.issue(["127.0.0.1"])]);
  const impostor = await startImpostor(wrong);
  const client = clientFor(impostor.address, { fingerprint: parseFingerprint(right.fingerprint) });
  const error = await client.cluster.version().catch((thrown) => thrown);
  expect(error).toBeInstanceOf(PveTlsMismatch);
  expect(error.message).toContain(wrong.fingerprint);
  expect(error.message).toContain(right.fingerprint);
  await expect(
    client.power.stop({
      kind: "qemu",
      node: "pve1",
      vmid: parseVmid(101),
    }),
  ).rejects.toBeInstanceOf(PveTlsMismatch);
  await Bun.sleep(50);
  expect(impostor.received()).toBe("");
});

test("without a pin the CA decides: another CA's certificate and another host's name are refused unsent", async () => {
  const [cluster, stranger] = await Promise.all([createAuthority(), createAuthority()]);
  const theirs = await cluster.issue(["127.0.0.1"]);
  for (const tls of [await stranger.issue(["127.0.0.1"]), await cluster.issue(["pve9.elsewhere"])]) {
    const impostor = await startImpostor(tls);
    const client = clientFor(impostor.address, { ca: theirs.ca });
    await expect(client.cluster.version()).rejects.toBeInstanceOf(PveTlsMismatch);
    await Bun.sleep(20);
    expect(impostor.received()).toBe("");
  }
  const fake = await startFake();
  const client = connect(fake, { byCa: true });
  closing.push(() => client.close());
  expect((await client.cluster.version()).major).toBe(9);
});

test("there is no insecure mode: neither pin nor CA means no connection", async () => {
  const impostor = await startImpostor(await (await createAuthority()).issue(["127.0.0.1"]));
  const client = clientFor(impostor.address, {});
  await expect(client.cluster.version()).rejects.toBeInstanceOf(PveTlsMismatch);
  expect(impostor.received()).toBe("");
});

test("a renewed certificate is refused until its pin is confirmed, and the other node serves meanwhile", async () => {
  const fake = await startFake({ nodes: ["pve1", "pve2"] });
  const lines: string[] = [];
  const logger = createLogger({ write: (level, message) => lines.push(`${level} ${message}`) });
  const client = connect(fake, { logger });
  closing.push(() => client.close());
  await client.cluster.version();
  await fake.nodes[0]?.start({ renew: true });
  const before = fake.seen.length;
  expect((await client.cluster.nodes()).length).toBe(2);
  expect(fake.seen.length).toBe(before + 1);
  expect(lines.join("\n")).toContain("is not trusted and was passed over");
});

test("looking at a certificate shows what the node itself says of it, and sends no token", async () => {
  const fake = await startFake();
  const [node] = fake.nodes;
  if (!node) throw new Error("no node");
  const leaf = await observeCertificate(parseEndpoint(node.address));
  expect(String(leaf.fingerprint)).toBe(node.fingerprint);
  expect(leaf.subject).toContain("CN=pve1");
  expect(fake.seen).toEqual([]);
  await expect(observeCertificate(parseEndpoint("127.0.0.1:1"))).rejects.toBeInstanceOf(PveUnreachable);
});
