import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { cases, renderCase } from "./cases.ts";
import { type Heard, listen } from "./listener.ts";

// The part of the disk image's install that moves the bytes, run as it is rendered, onto a plain file.

setDefaultTimeout(60_000);
const mib = 1024 * 1024;
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

let folder: string;
let heard: Heard;
let server: Server;
let ranges: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "labctl-image-write-"));
  mkdirSync(join(folder, "work"));
  heard = listen("0123456789abcdef0123456789abcdef");
  ranges = [];
});
afterEach(() => {
  heard.stop();
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true });
});

/** A disk whose first MiB cannot be mistaken for nothing. */
const raw = Buffer.concat([Buffer.alloc(mib, "T"), randomBytes(3 * mib)]);

/** Serves `bytes` with Range; the connection breaks in the middle of the first `breaks` answers. */
async function serve(bytes: Buffer, breaks = 0): Promise<string> {
  let left = breaks;
  server = createServer((request, response) => {
    const [from = 0, last = bytes.length - 1] =
      /bytes=(\d+)-(\d+)/
        .exec(request.headers.range ?? "")
        ?.slice(1)
        .map(Number) ?? [];
    ranges.push(request.headers.range ?? "");
    const piece = bytes.subarray(from, last + 1);
    response.writeHead(206, { "content-length": piece.length });
    if (left-- <= 0) return response.end(piece);
    return response.write(piece.subarray(0, piece.length >> 1), () =>
      setTimeout(() => response.destroy(), 50),
    );
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/image`;
}

async function write(url: string, packed: Uint8Array, promised: Uint8Array, front = 0, programs = "/bin") {
  const one = cases["image-worker"];
  if (one === undefined) throw new Error("no such case");
  const { files } = renderCase(one, {
    baseUrl: heard.url,
    image: { name: "x", sha256: sha256(promised), size: packed.length, format: "raw", compression: "zstd" },
  });
  const script = (files["install.sh"] ?? "")
    .replace("work=/run/labctl-install", `work='${folder}/work'`)
    .replace("BASTION_DIR=/run/labctl-report", `BASTION_DIR='${folder}/report'`)
    .replace(/^image_url=.*$/m, `image_url='${url}'`);
  const functions = script.slice(0, script.indexOf("bastion_start install\n"));
  const stages = script.slice(
    script.indexOf("bastion_stage image-write\n"),
    script.indexOf("bastion_stage partition\n"),
  );
  const disk = join(folder, "disk");
  writeFileSync(disk, "");
  truncateSync(disk, 16 * mib);
  const path = join(folder, "install.sh");
  writeFileSync(
    path,
    `${functions}\nbastion_start install\nset -o pipefail\ndisk='${disk}'\nfront=${front}\n${stages}\nbastion_flush 20\n`,
  );
  const env = { ...process.env, PATH: `${programs}:${process.env.PATH ?? ""}` };
  const ran = Bun.spawn(["bash", path], { env, stdout: "ignore", stderr: "inherit" });
  const code = await ran.exited;
  writeFileSync(join(folder, "report/stop"), "");
  const failure = heard.stages.find(({ state }) => state === "failed");
  return { code, failure, content: readFileSync(disk), head: () => readFileSync(join(folder, "work/head")) };
}

test("the image arrives whole; its first MiB waits aside", async () => {
  const packed = zstdCompressSync(raw);
  const { code, failure, content, head } = await write(await serve(packed), packed, packed);
  expect({ code, failure }).toEqual({ code: 0, failure: undefined });
  expect(content.subarray(0, mib).every((byte) => byte === 0)).toBe(true);
  expect(content.subarray(mib, raw.length).equals(raw.subarray(mib))).toBe(true);
  expect(head().equals(raw.subarray(0, mib))).toBe(true);
});

test("a transfer that breaks is continued where it broke", async () => {
  const packed = zstdCompressSync(raw);
  const { code, content } = await write(await serve(packed, 3), packed, packed);
  expect(code).toBe(0);
  expect(content.subarray(mib, raw.length).equals(raw.subarray(mib))).toBe(true);
  const starts = ranges.map((range) => Number(/bytes=(\d+)-/.exec(range)?.[1]));
  expect(starts).toHaveLength(4);
  expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b));
});

test("one bit changed on the way ends the install, and the disk cannot boot", async () => {
  const packed = zstdCompressSync(raw);
  const tampered = Buffer.from(packed);
  tampered[tampered.length >> 1] = (tampered[tampered.length >> 1] ?? 0) ^ 1;
  const { code, failure, content } = await write(await serve(tampered), tampered, packed);
  expect(code).toBe(1);
  expect(failure?.message).toMatch(/cannot be unpacked|not the one of the catalogue/);
  expect(content.subarray(0, mib).every((byte) => byte === 0)).toBe(true);
});

test("a network that stays away ends the install with its reason, however long each wait is", async () => {
  const packed = zstdCompressSync(raw);
  const url = await serve(packed);
  server.close();
  // What waits between two attempts waits no time here.
  mkdirSync(join(folder, "bin"));
  writeFileSync(join(folder, "bin/sleep"), "#!/bin/sh\n[ $1 -eq 1 ] && exec /bin/sleep 0.1\n", {
    mode: 0o755,
  });
  const { code, failure, content } = await write(url, packed, packed, 0, join(folder, "bin"));
  expect(code).toBe(1);
  expect(failure?.message).toContain("the transfer broke at byte 0 and could not be continued: curl:");
  expect(content.subarray(0, mib).every((byte) => byte === 0)).toBe(true);
});

test("another image than the one promised is refused by its checksum", async () => {
  const other = zstdCompressSync(Buffer.concat([raw, raw]));
  const { code, failure, content } = await write(await serve(other), other, zstdCompressSync(raw));
  expect(code).toBe(1);
  expect(failure).toMatchObject({ stage: "image-verify" });
  expect(failure?.message).toContain("not the one of the catalogue");
  expect(content.subarray(0, mib).every((byte) => byte === 0)).toBe(true);
});

test("a kept volume behind the image is never written over", async () => {
  const packed = zstdCompressSync(raw);
  const { code, failure, content } = await write(await serve(packed), packed, packed, 3);
  expect(code).toBe(1);
  expect(failure?.message).toContain("larger than the 3 MiB before the kept volumes");
  expect(content.subarray(3 * mib).every((byte) => byte === 0)).toBe(true);
});

test("an image the bastion no longer has is told at once", async () => {
  server = createServer((_, response) => response.writeHead(404).end());
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/image`;
  const { code, failure } = await write(url, raw, raw);
  expect(code).toBe(1);
  expect(failure?.message).toContain("answered 404");
});
