import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTftpServer, type TftpServerOptions } from "../../src/boot/tftp.server.ts";
import type { TftpEvent } from "../../src/boot/tftp-events.ts";
import type { TftpListen } from "../../src/boot/tftp-listener.server.ts";
import type { TftpFile, TftpSource } from "../../src/boot/tftp-source.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { silentLogger } from "../../src/platform/logger.ts";
import { decode, encode, type Packet } from "../../src/protocols/tftp/packet.ts";
import { createRandom } from "../impairing-udp-proxy.ts";

export function randomBytes(length: number, seed = length): Uint8Array {
  const random = createRandom(seed);
  return Uint8Array.from({ length }, () => random() * 256);
}

/** Sizes around the edges of blocks of 512 and 1428 bytes. */
export const edgeSizes = [0, 1, 511, 512, 513, 1428, 2856, 100_000];

export type Files = Record<string, TftpFile | Uint8Array>;

export async function startServer(
  files: Files,
  { listen = {}, ...options }: Partial<TftpServerOptions> & { listen?: Partial<TftpListen> } = {},
) {
  const events: TftpEvent[] = [];
  const source: TftpSource = {
    open(path) {
      const file = files[path];
      return file instanceof Uint8Array ? { bytes: file } : file;
    },
  };
  const server = createTftpServer({
    source,
    observe: (event) => events.push(event),
    clock: systemClock,
    logger: silentLogger,
    ...options,
  });
  const { address, port } = await server.listen({ address: "127.0.0.1", port: 0, ...listen });
  const ended = () => events.filter((event) => event.kind === "transfer-ended");
  return { server, events, ended, address, port };
}

export interface ClientResult {
  code: number;
  output: string;
  bytes: Uint8Array;
}

/** Runs a TFTP client in a directory of its own, where it writes `out`; `undefined`: it wrote nothing. */
export async function runClient(command: string[]): Promise<ClientResult> {
  const directory = await mkdtemp(join(tmpdir(), "tftp-"));
  try {
    const child = Bun.spawn(command, { cwd: directory, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    const file = Bun.file(join(directory, "out"));
    const bytes = (await file.exists()) ? await file.bytes() : new Uint8Array();
    return { code, output: out + err, bytes };
  } finally {
    await rm(directory, { recursive: true });
  }
}

export interface Real {
  name: string;
  get(port: number, file: string): string[];
}

/** The clients people have, with the options they can ask for. */
export const realClients: Real[] = [
  {
    name: "tftp-hpa",
    get: (port, file) => ["tftp", "-m", "binary", "127.0.0.1", `${port}`, "-c", "get", file, "out"],
  },
  { name: "atftp", get: (port, file) => atftp(port, file, []) },
  { name: "atftp blksize 1428", get: (port, file) => atftp(port, file, ["blksize 1428", "tsize"]) },
  { name: "atftp windowsize 16", get: (port, file) => atftp(port, file, ["blksize 1428", "windowsize 16"]) },
  { name: "curl", get: (port, file) => curl(port, file, ["--tftp-blksize", "1468"]) },
  { name: "curl without options", get: (port, file) => curl(port, file, ["--tftp-no-options"]) },
  {
    name: "busybox",
    get: (port, file) => [
      "busybox",
      "tftp",
      "-g",
      "-r",
      file,
      "-l",
      "out",
      "-b",
      "1432",
      "127.0.0.1",
      `${port}`,
    ],
  },
];

function atftp(port: number, file: string, options: string[]): string[] {
  const flags = options.flatMap((option) => ["--option", option]);
  return ["atftp", ...flags, "-g", "-r", file, "-l", "out", "127.0.0.1", `${port}`];
}

function curl(port: number, file: string, flags: string[]): string[] {
  return ["curl", "-sS", ...flags, "-o", "out", `tftp://127.0.0.1:${port}/${file}`];
}

export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A client that sends what a test says, packet by packet. */
export async function createRawClient(address = "127.0.0.1") {
  const received: { packet: ReturnType<typeof decode>; port: number }[] = [];
  let wake = () => {};
  const socket = await Bun.udpSocket({
    hostname: address,
    port: 0,
    socket: {
      data(_socket, data, port) {
        received.push({ packet: decode(data), port });
        wake();
      },
      error: () => {},
    },
  });
  return {
    port: socket.port,
    send: (packet: Packet | Uint8Array, port: number, to = "127.0.0.1") =>
      void socket.send(packet instanceof Uint8Array ? packet : encode(packet), port, to),
    /** The next packet, or `undefined` after `ms` of silence. */
    async next(ms = 2000) {
      if (received.length === 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      return received.shift();
    },
    close: () => socket.close(),
  };
}

export async function until(what: () => boolean, ms = 5000): Promise<void> {
  const end = performance.now() + ms;
  while (!what()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await Bun.sleep(5);
  }
}
