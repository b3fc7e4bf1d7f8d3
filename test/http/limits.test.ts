import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { createControlPlane } from "../../src/http/control-plane.ts";
import { createApi, type Gate } from "../../src/http/gate.ts";
import { http1Limits } from "../../src/http/http1.server.ts";
import { listenTcp } from "../../src/http/listener.server.ts";
import { listenLocal } from "../../src/http/local-listener.server.ts";
import { listenTls } from "../../src/http/tls-listener.server.ts";
import { createLogger } from "../../src/platform/logger.ts";
import { createAuthority } from "../fake-pve/certificate.ts";

// Raw bytes on real sockets: what a client may do to hold a connection, or to fill memory.

const limits = { ...http1Limits, head: 300, body: 500, idle: 700, linger: 100, strangers: 8 };
const directory = mkdtempSync(join(tmpdir(), "labctl-limits-"));
const errors: string[] = [];
const logger = createLogger({ write: (level, message) => void (level === "error" && errors.push(message)) });
const stops: (() => Promise<void>)[] = [];
const connect: Record<string, () => net.Socket> = {};

const gate: Gate = {
  identify: (_, next) => next(),
  need: () => (_, next) => next(),
  once: () => (_, next) => next(),
  require: async () => {},
};
const echo = createApi();
echo.post("/api/echo", async (context) => context.text(String((await context.req.text()).length)));
echo.get("/api/fine", (context) => context.text("fine"));
/** Of each event stream that somebody left. */
const left: string[] = [];
echo.get("/api/events/:end", (context) => {
  const end = context.req.param("end");
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(Buffer.from("data: 1\n\n"));
      if (end === "close") setTimeout(() => controller.close(), 50);
      if (end === "error") setTimeout(() => controller.error(), 50);
    },
    cancel: () => void left.push(end),
  });
  return context.body(stream, 200, { "content-type": "text/event-stream", "x-kept": "yes" });
});

beforeAll(async () => {
  const app = createControlPlane(gate, [echo], logger, (_, next) => next());
  const noUpgrade = () => false;
  const path = join(directory, "sock");
  const local = await listenLocal(app, noUpgrade, path, logger, limits);
  connect.socket = () => net.connect(path);
  const { cert, key, ca } = await (await createAuthority()).issue(["localhost"]);
  const identity = { keyPem: key, certificatePem: cert, authoritiesPem: ca };
  const secure = await listenTls(app, noUpgrade, { host: "127.0.0.1", port: 0 }, identity, logger, limits);
  connect.tls = () => tls.connect({ host: "127.0.0.1", port: secure.port, rejectUnauthorized: false });
  const lab = listenTcp(app, "127.0.0.1", 0, logger, 2);
  connect.halfOpen = () =>
    // checked: tls.connect hands its options on to net.connect, which knows this one
    tls.connect({
      host: "127.0.0.1",
      port: secure.port,
      rejectUnauthorized: false,
      allowHalfOpen: true,
    } as object);
  connect.lab = () => net.connect(lab.port, "127.0.0.1");
  stops.push(local.stop, secure.stop, lab.stop);
});
afterAll(async () => {
  for (const stop of stops) await stop();
  rmSync(directory, { recursive: true });
});

/** Sends the parts, one after the other; the answer's status, and after how long the connection was closed. */
async function send(socket: net.Socket, parts: readonly (string | Buffer)[], pause = 0) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const begun = Date.now();
  let answer = "";
  socket.on("data", (bytes) => {
    answer += bytes.toString("latin1");
  });
  socket.on("error", () => {});
  socket.on("close", () => resolve());
  for (const part of parts) {
    if (socket.destroyed) break;
    socket.write(part);
    if (pause > 0) await Promise.race([Bun.sleep(pause), promise]);
  }
  const patience = setTimeout(() => socket.destroy(), 15_000);
  await promise;
  clearTimeout(patience);
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);
  return { status, answer, open: Date.now() - begun };
}

const get = "GET /api/fine HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const post = (headers: string) =>
  `POST /api/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n\r\n`;
const megabyte = Buffer.alloc(1 << 20, "x");
const chunk = Buffer.concat([Buffer.from("100000\r\n"), megabyte, Buffer.from("\r\n")]);
const open = (name: string) => {
  const socket = connect[name]?.();
  if (socket === undefined) throw new Error(`no listener ${name}`);
  return socket;
};

/** Milliseconds. Bun's own server gives a head twelve seconds, whatever is asked of it. */
const latestHead: Record<string, number> = { socket: 1500, tls: 1500, lab: 14_000 };

for (const name of ["socket", "tls", "lab"]) {
  describe(`listener ${name}`, () => {
    test("a body that says it is too large is refused before it is sent", async () => {
      const { status, answer } = await send(open(name), [post("Content-Length: 104857600"), "xxx"]);
      expect([status, answer.includes("too-large") || name === "lab"]).toEqual([413, true]);
    });

    test("a chunked body is refused when it has become too large", async () => {
      const parts = [post("Transfer-Encoding: chunked"), ...new Array(8).fill(chunk), "0\r\n\r\n"];
      // Bun's own server cuts the connection, and its refusal may be lost with it.
      expect(name === "lab" ? [0, 413] : [413]).toContain((await send(open(name), parts)).status);
    });

    test("a chunked body within bounds arrives whole", async () => {
      const { answer } = await send(open(name), [post("Transfer-Encoding: chunked"), chunk, "0\r\n\r\n"]);
      expect(answer).toEndWith(String(megabyte.length));
    });

    test("a head larger than 16 KiB is refused, at once or drop by drop", async () => {
      const headers = Array.from({ length: 20 }, (_, index) => `A${index}: ${"a".repeat(1000)}\r\n`);
      const first = "GET /api/fine HTTP/1.1\r\nHost: x\r\n";
      expect((await send(open(name), [first + headers.join("")])).status).toBe(431);
      expect((await send(open(name), [first, ...headers], 5)).status).toBe(431);
    });

    test("two lengths, or a length and chunks, are refused: nobody may disagree where a request ends", async () => {
      for (const headers of [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Content-Length: 3\r\nContent-Length: 5",
        "Content-Length: -1",
      ]) {
        const { status } = await send(open(name), [post(headers), "5\r\nhello\r\n0\r\n\r\n"]);
        expect([headers, status]).toEqual([headers, 400]);
      }
    });

    test("a body that breaks off is no fault of ours", async () => {
      errors.length = 0;
      await send(open(name), [post("Transfer-Encoding: chunked"), "zz\r\n"]);
      expect(errors).toEqual([]);
    });

    test("a sender of heads, however slow, is cut off in time, its first or a later one", async () => {
      const again = get.replace("Connection: close\r\n", "");
      const drops = ["GET /api/fine HTTP/1.1\r\n", ...new Array(30).fill("A: b\r\n")];
      const cases = [[], ["GET /api/fine HTTP/1.1\r\nA"], drops, [again, ...drops]];
      const ended = await Promise.all(
        cases.map((parts) => send(open(name), parts, name === "lab" ? 500 : 50)),
      );
      for (const { open: took } of ended) expect(took).toBeLessThan(latestHead[name] ?? 0);
    }, 30_000);

    test("a sender of bodies, however slow, is cut off in time", async () => {
      const drops = [post("Content-Length: 1000"), ...new Array(200).fill("x")];
      expect((await send(open(name), drops, 50)).open).toBeLessThan(6000);
    }, 20_000);

    test("others are served meanwhile", async () => {
      const slow = Array.from({ length: 6 }, () => open(name));
      for (const socket of slow) socket.on("error", () => {}).write("GET /api/fine HTTP/1.1\r\nA");
      expect((await send(open(name), [get])).answer).toEndWith("fine");
      for (const socket of slow) socket.destroy();
    });
  });
}

test("a refused WebSocket does not hold its connection, whatever the other end leaves open", async () => {
  const ask = get.replace("close", "Upgrade\r\nUpgrade: websocket");
  const refused = Array.from({ length: limits.strangers }, () => open("halfOpen"));
  for (const socket of refused)
    socket
      .on("error", () => {})
      .on("data", () => {})
      .write(ask);
  await Promise.all(refused.map((socket) => once(socket, "end")));
  await Bun.sleep(3 * limits.linger);
  expect((await send(open("tls"), [get])).answer).toEndWith("fine");
  for (const socket of refused) socket.destroy();
});

test("a connection whose other end is lost without a word is found out by the kernel", async () => {
  const socket = open("tls");
  await once(socket, "secureConnect");
  const { remotePort, localPort } = socket;
  await Bun.sleep(50);
  const { stdout } = Bun.spawnSync([
    ...["ss", "-tnoH", "sport", "=", `:${remotePort}`, "and", "dport", "=", `:${localPort}`],
  ]);
  expect(stdout.toString()).toContain("timer:(keepalive");
  socket.destroy();
});

for (const name of ["socket", "tls"]) {
  describe(`event streams over ${name}`, () => {
    const follow = (end: string) => `GET /api/events/${end} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;

    test("one that ends is whole, one that fails is cut off", async () => {
      const whole = await send(open(name), [follow("close")]);
      expect(whole.answer).toContain("data: 1\n\n\r\n0\r\n\r\n");
      expect(whole.answer.toLowerCase()).toContain("x-kept: yes");
      const cut = await send(open(name), [follow("error")]);
      expect(cut.status).toBe(200);
      expect(cut.answer).not.toContain("\r\n0\r\n\r\n");
    });

    test("HTTP/1.0 gets it without chunks", async () => {
      const { answer } = await send(open(name), [follow("close").replace("1.1", "1.0")]);
      expect(answer).toEndWith("\r\n\r\ndata: 1\n\n");
    });

    test("asked for behind another request it comes after that one's answer", async () => {
      const first = "GET /api/fine HTTP/1.1\r\nHost: x\r\n\r\n";
      const { answer } = await send(open(name), [`${first}${follow("close")}`]);
      expect(answer.match(/HTTP\/1\.1 \d+|fine|data: 1/g)).toEqual([
        "HTTP/1.1 200",
        "fine",
        "HTTP/1.1 200",
        "data: 1",
      ]);
    });

    test("whoever leaves is let go of", async () => {
      const socket = open(name);
      socket.on("error", () => {});
      socket.write(follow(name));
      await new Promise((resolve) => socket.once("data", resolve));
      socket.destroy();
      for (const end = Date.now() + 5000; !left.includes(name) && Date.now() < end; ) await Bun.sleep(10);
      expect(left).toContain(name);
    });
  });
}

test("an address that has proven nothing may hold only so many connections", async () => {
  const held = Array.from({ length: limits.strangers + 4 }, () => open("tls"));
  const closed: net.Socket[] = [];
  for (const socket of held) socket.on("error", () => {}).on("close", () => closed.push(socket));
  const end = Date.now() + 10_000;
  while (closed.length < 4 && Date.now() < end) await Bun.sleep(20);
  // And no more of them.
  await Bun.sleep(100);
  expect(closed.length).toBe(4);
  for (const socket of held) socket.destroy();
  await Bun.sleep(100);
  expect((await send(open("tls"), [get])).answer).toEndWith("fine");
});
