import { afterEach, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { createAuditLog } from "../access/audit-log.ts";
import { anonymous } from "../access/service.ts";
import { createManualClock } from "../platform/clock.ts";
import { silentLogger } from "../platform/logger.ts";
import { openStore, type Store } from "../store/database.ts";
import { createImageFiles } from "./image-files.client.ts";
import { createImageRepository } from "./repository.ts";
import { createImages, type Images } from "./service.ts";

const mib = 1024 * 1024;
let directory: string;
let store: Store;
let images: Images;
let clock: ReturnType<typeof createManualClock>;
const quiet = () => {};
const actor = { principal: anonymous, from: "", requestId: "r1", startedAt: 0 };

function openImages(): Images {
  return createImages({
    repository: createImageRepository(store),
    files: createImageFiles(join(directory, "images"), {}),
    mirrors: {},
    clock,
    audit: createAuditLog(store, clock),
    logger: silentLogger,
  });
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "labctl-images-"));
  store = openStore(":memory:");
  clock = createManualClock(1000);
  images = openImages();
});
afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

/** A disk with a GPT and something in it. */
function disk(bytes = 3 * mib): Buffer<ArrayBuffer> {
  const raw = Buffer.alloc(bytes);
  raw.write("EFI PART", 512);
  raw.writeBigUInt64LE(BigInt(bytes / 512 - 1), 512 + 32);
  for (let at = mib; at < 2 * mib; at += 4) raw.writeUInt32LE((at * 2654435761) >>> 0, at);
  return raw;
}

async function upload(bytes: Uint8Array): Promise<string> {
  const id = await images.beginUpload();
  for (let at = 0; at < bytes.length; at += mib)
    await images.appendUpload(id, at, bytes.subarray(at, at + mib));
  return id;
}

const add = async (name: string, bytes: Uint8Array, more: { sha256?: string; replace?: boolean } = {}) =>
  images.add(actor, name, { upload: await upload(bytes), source: "test", replace: false, ...more }, quiet);

const served = (name: string) => readFileSync(join(directory, "images/disks", name));
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test("a raw disk is kept in zstd, and what is served has the recorded size and checksum", async () => {
  const image = await add("web", disk());
  expect(image).toMatchObject({ name: "web", kind: "disk", rawSize: 3 * mib, compression: "zstd" });
  expect(image.sha256).toBe(sha256(served("web")));
  expect(image.size).toBe(served("web").length);
  expect(zstdDecompressSync(served("web"))).toEqual(disk());
  expect(images.find("web")).toMatchObject({ sha256: image.sha256, size: image.size, format: "raw" });
});

test("one that is in zstd already is kept as it is", async () => {
  const packed = zstdCompressSync(disk());
  const image = await add("web", packed);
  expect(served("web")).toEqual(packed);
  expect(image.rawSize).toBe(3 * mib);
});

for (const options of [["-c"], [], ["-o", "compat=0.10"], ["-o", "cluster_size=4096"]]) {
  test(`a qcow2 of qemu-img (${options.join(" ") || "plain"}) becomes the same disk`, async () => {
    const raw = join(directory, "disk.raw");
    const qcow2 = join(directory, "disk.qcow2");
    // An odd end: the last cluster is not whole.
    const content = disk(5 * mib + 512);
    writeFileSync(raw, content);
    const made = Bun.spawnSync(["qemu-img", "convert", "-O", "qcow2", ...options, raw, qcow2]);
    expect(made.exitCode).toBe(0);
    await add("web", readFileSync(qcow2));
    expect(zstdDecompressSync(served("web"))).toEqual(content);
  });
}

test("what is no disk, cut short or damaged is refused and leaves nothing", async () => {
  const packed = zstdCompressSync(disk());
  await expect(add("web", Buffer.from("hello"))).rejects.toThrow("no image of a whole disk");
  await expect(add("web", packed.subarray(0, packed.length - 20))).rejects.toThrow("cut short");
  await expect(add("web", disk(), { sha256: "0".repeat(64) })).rejects.toThrow("sha256");
  expect(images.list()).toEqual([]);
  expect(readdirSync(join(directory, "images/disks"))).toEqual([]);
  expect(readdirSync(join(directory, "images/uploads"))).toEqual([]);
});

test("a qcow2 that depends on another file is refused", async () => {
  const base = join(directory, "base.qcow2");
  const layer = join(directory, "layer.qcow2");
  Bun.spawnSync(["qemu-img", "create", "-f", "qcow2", base, "1M"]);
  Bun.spawnSync(["qemu-img", "create", "-f", "qcow2", "-b", base, "-F", "qcow2", layer]);
  await expect(add("web", readFileSync(layer))).rejects.toThrow("layer above another file");
});

test("a name is taken until it is replaced, and a hostile one is refused", async () => {
  const first = await add("web", disk());
  await expect(add("web", disk())).rejects.toThrow("already");
  expect(readdirSync(join(directory, "images/uploads"))).toEqual([]);
  expect(images.find("web")?.sha256).toBe(first.sha256);
  await add("web", disk(4 * mib), { replace: true });
  expect(images.list()).toHaveLength(1);
  for (const name of ["../x", "a/b", "", ".hidden", "a..b", "A", "x".repeat(64)]) {
    await expect(add(name, disk())).rejects.toThrow("image name");
  }
});

test("verify proves a file, and names the one that changed", async () => {
  await add("web", disk());
  await images.verify(actor, "web", quiet);
  const bytes = served("web");
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(join(directory, "images/disks/web"), bytes);
  await expect(images.verify(actor, "web", quiet)).rejects.toThrow("web is not what it was");
  await images.remove(actor, "web");
  expect(existsSync(join(directory, "images/disks/web"))).toBe(false);
  await expect(images.verify(actor, "web", quiet)).rejects.toThrow("there is no image");
});

test("an upload goes on only from where it is", async () => {
  const id = await images.beginUpload();
  await images.appendUpload(id, 0, Buffer.from("abc"));
  await expect(images.appendUpload(id, 0, Buffer.from("abc"))).rejects.toThrow("byte 3");
  await expect(images.appendUpload("../../etc/passwd", 0, Buffer.from("x"))).rejects.toThrow(
    "no such upload",
  );
});

test("uploads that were given up do not keep others out for ever", async () => {
  for (let count = 0; count < 8; count++) await images.beginUpload();
  await expect(images.beginUpload()).rejects.toThrow("8 uploads are under way");
  clock.advance(Date.now() + 2 * 3_600_000);
  const id = await images.beginUpload();
  expect(readdirSync(join(directory, "images/uploads"))).toEqual([id]);
});
