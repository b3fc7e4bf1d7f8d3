import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { constants, createZstdCompress, createZstdDecompress, inflateRawSync } from "node:zlib";
import { AppError } from "../platform/errors.ts";
import type { Report } from "./model.ts";
import { decodeCluster, decodeQcow2, isQcow2, l2OffsetOf, qcow2HeaderBytes } from "./qcow2.ts";

/** What was written. */
export interface WrittenDisk {
  size: number;
  sha256: string;
  rawSize: number;
  compression: "zstd";
}

const zstdMagic = [0x28, 0xb5, 0x2f, 0xfd];
const blockBytes = 1024 * 1024;

/**
 * Writes the disk image at `from` (raw, qcow2, or raw in zstd) to `to` as raw in zstd. `to` appears whole or
 * not at all.
 * @throws `invalid` for what is no disk with a GPT; `unavailable` when the disk is full.
 */
export async function writeDisk(from: string, to: string, report: Report): Promise<WrittenDisk> {
  const part = `${to}.part`;
  try {
    const source = await open(from, "r");
    try {
      const head = Buffer.alloc(qcow2HeaderBytes);
      await source.read(head, 0, head.length, 0);
      const packed = zstdMagic.every((byte, index) => head[index] === byte);
      const written = packed
        ? await keepPacked(source, part, report)
        : await pack(isQcow2(head) ? readQcow2(source, head) : readRaw(source), part, report);
      await finish(part, to);
      return written;
    } finally {
      await source.close();
    }
  } catch (error) {
    await rm(part, { force: true });
    throw noRoom(error, to);
  }
}

/** Checks a raw disk as it passes by: its size, and the GPT header in its second sector. */
function createDiskCheck() {
  let rawSize = 0;
  const start = Buffer.alloc(1024);
  return {
    see(chunk: Uint8Array) {
      if (rawSize < start.length) start.set(chunk.subarray(0, start.length - rawSize), rawSize);
      rawSize += chunk.length;
    },
    end(): number {
      if (start.toString("latin1", 512, 520) !== "EFI PART") {
        throw new AppError("invalid", "this is no image of a whole disk with a GPT", {
          hint: "raw, qcow2, and raw in zstd are taken; unpack gz and xz first",
        });
      }
      // UEFI specification, table 5.5: the sector of the backup header, which is the disk's last.
      const sectors = start.readBigUInt64LE(512 + 32) + 1n;
      if (BigInt(rawSize) < sectors * 512n) {
        throw new AppError(
          "invalid",
          `the image is cut short: its disk has ${sectors * 512n} bytes, ${rawSize} are there`,
        );
      }
      return rawSize;
    },
  };
}

async function keepPacked(source: FileHandle, part: string, report: Report): Promise<WrittenDisk> {
  const { size } = await source.stat();
  const check = createDiskCheck();
  const hash = createHash("sha256");
  const out = createWriteStream(part);
  const unpack = createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 31 } });
  const unpacked = (async () => {
    for await (const chunk of unpack) check.see(chunk);
  })();
  // Looked at below; until then a failure must not count as nobody's.
  unpacked.catch(() => {});
  let done = 0;
  for await (const chunk of readRaw(source)) {
    hash.update(chunk);
    if (!out.write(chunk)) await once(out, "drain");
    if (!unpack.write(chunk)) await Promise.race([once(unpack, "drain"), unpacked]);
    done += chunk.length;
    report("checking", done, size);
  }
  unpack.end();
  out.end();
  await Promise.all([once(out, "finish"), unpacked.catch(damaged)]);
  return { size, sha256: hash.digest("hex"), rawSize: check.end(), compression: "zstd" };
}

const damaged = (cause: unknown): never => {
  throw new AppError("invalid", "the image cannot be unpacked: it is cut short or damaged", { cause });
};

async function pack(disk: AsyncIterable<Uint8Array>, part: string, report: Report): Promise<WrittenDisk> {
  const check = createDiskCheck();
  const hash = createHash("sha256");
  const out = createWriteStream(part);
  const compress = createZstdCompress({
    params: { [constants.ZSTD_c_compressionLevel]: 6, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  let size = 0;
  const packed = (async () => {
    for await (const chunk of compress) {
      hash.update(chunk);
      size += chunk.length;
      if (!out.write(chunk)) await once(out, "drain");
    }
    out.end();
    await once(out, "finish");
  })();
  packed.catch(() => {});
  let done = 0;
  for await (const chunk of disk) {
    check.see(chunk);
    if (!compress.write(chunk)) await Promise.race([once(compress, "drain"), packed]);
    done += chunk.length;
    report("compressing", done);
  }
  compress.end();
  await packed;
  return { size, sha256: hash.digest("hex"), rawSize: check.end(), compression: "zstd" };
}

async function* readRaw(source: FileHandle): AsyncGenerator<Uint8Array> {
  for (let at = 0; ; ) {
    const { bytesRead, buffer } = await source.read(Buffer.allocUnsafe(blockBytes), 0, blockBytes, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function* readQcow2(source: FileHandle, head: Uint8Array): AsyncGenerator<Uint8Array> {
  const { clusterBytes, size, l1Offset, l1Entries } = decodeQcow2(head);
  const readAt = async (offset: number, length: number) => {
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await source.read(bytes, 0, length, offset);
    return { bytes, bytesRead };
  };
  const zero = new Uint8Array(clusterBytes);
  const { bytes: l1 } = await readAt(l1Offset, l1Entries * 8);
  let left = size;
  for (let index = 0; left > 0; index++) {
    const l2Offset = l2OffsetOf(l1.readBigUInt64BE(index * 8));
    const { bytes: l2 } =
      l2Offset === 0 ? { bytes: Buffer.alloc(clusterBytes) } : await readAt(l2Offset, clusterBytes);
    for (let entry = 0; entry < clusterBytes / 8 && left > 0; entry++) {
      const cluster = decodeCluster(l2.readBigUInt64BE(entry * 8), clusterBytes);
      let content: Uint8Array = zero;
      if (cluster.kind === "plain") {
        const { bytes, bytesRead } = await readAt(cluster.offset, clusterBytes);
        if (bytesRead < Math.min(clusterBytes, left)) throw cutShort();
        content = bytes;
      } else if (cluster.kind === "deflated") {
        const { bytes, bytesRead } = await readAt(cluster.offset, cluster.length);
        content = inflateRawSync(bytes.subarray(0, bytesRead), { finishFlush: constants.Z_SYNC_FLUSH });
        if (content.length < Math.min(clusterBytes, left)) throw cutShort();
      }
      yield content.subarray(0, Math.min(clusterBytes, left));
      left -= clusterBytes;
    }
  }
}

const cutShort = () => new AppError("invalid", "the qcow2 image is cut short");

/** On the disk, under its name, also after a power loss. */
async function finish(part: string, to: string): Promise<void> {
  await syncPath(part);
  await rename(part, to);
  await syncPath(dirname(to));
}

export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The SHA-256 of a file. @throws `not-found`. */
export async function hashFile(path: string, report: Report): Promise<{ sha256: string; size: number }> {
  const { size } = await stat(path).catch((cause: unknown) => {
    throw new AppError("not-found", `${path} is not there`, { cause });
  });
  const hash = createHash("sha256");
  let done = 0;
  for await (const chunk of Readable.from(createReadStream(path, { highWaterMark: blockBytes }))) {
    hash.update(chunk);
    done += chunk.length;
    report("reading", done, size);
  }
  return { sha256: hash.digest("hex"), size };
}

export function noRoom(error: unknown, path: string): unknown {
  if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) return error;
  return new AppError("unavailable", `no room left to write ${path}`, {
    hint: "free space there, or set imageDir to a larger file system; labctl image remove deletes images",
    cause: error,
  });
}
