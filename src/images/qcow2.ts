import { AppError } from "../platform/errors.ts";

// QEMU's qcow2, versions 2 and 3 (docs/interop/qcow2.txt of QEMU). All numbers are big-endian.

/** What the header says, as far as reading the disk's content needs it. */
export interface Qcow2 {
  clusterBytes: number;
  /** Of the disk it holds. */
  size: number;
  l1Offset: number;
  l1Entries: number;
}

/** Bytes at the file's start that `decodeQcow2` wants to see. */
export const qcow2HeaderBytes = 104;

export const isQcow2 = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x51 && bytes[1] === 0x46 && bytes[2] === 0x49 && bytes[3] === 0xfb;

/** Incompatible features that change nothing for a reader: 1 dirty, 2 corrupt flag aside. */
const harmlessFeatures = 0b1n;

/** @throws `invalid` for an image that depends on something outside this file. */
export function decodeQcow2(bytes: Uint8Array): Qcow2 {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wrong = (what: string) =>
    new AppError("invalid", `the qcow2 image ${what}`, { hint: "qemu-img convert -O raw makes a plain one" });
  if (bytes.length < qcow2HeaderBytes || !isQcow2(bytes)) throw wrong("has no header");
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) throw wrong(`has the unknown version ${version}`);
  if (view.getBigUint64(8) !== 0n) throw wrong("is a layer above another file");
  if (view.getUint32(32) !== 0) throw wrong("is encrypted");
  if (version === 3 && (view.getBigUint64(72) & ~harmlessFeatures) !== 0n) {
    throw wrong("uses features that are not understood");
  }
  const clusterBits = view.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21) throw wrong("has an impossible cluster size");
  const clusterBytes = 2 ** clusterBits;
  const size = Number(view.getBigUint64(24));
  const l1Entries = view.getUint32(36);
  const perL1 = clusterBytes * (clusterBytes / 8);
  if (!Number.isSafeInteger(size) || l1Entries > 1 << 22 || l1Entries < Math.ceil(size / perL1)) {
    throw wrong("has an impossible size");
  }
  return { clusterBytes, size, l1Offset: Number(view.getBigUint64(40)), l1Entries };
}

/** Where an L1 entry's table of clusters stands; 0: none, everything in it is zero. */
export const l2OffsetOf = (entry: bigint): number => Number(entry & 0x00ff_ffff_ffff_fe00n);

/** Where a cluster's content is. */
export type Cluster =
  | { kind: "zero" }
  | { kind: "plain"; offset: number }
  /** Raw deflate; `length` may reach past its end. */
  | { kind: "deflated"; offset: number; length: number };

export function decodeCluster(entry: bigint, clusterBytes: number): Cluster {
  if ((entry & (1n << 62n)) !== 0n) {
    const offsetBits = BigInt(62 - (Math.log2(clusterBytes) - 8));
    const offset = Number(entry & ((1n << offsetBits) - 1n));
    const sectors = Number((entry & ((1n << 62n) - 1n)) >> offsetBits) + 1;
    return { kind: "deflated", offset, length: sectors * 512 - (offset % 512) };
  }
  const offset = Number(entry & 0x00ff_ffff_ffff_fe00n);
  return offset === 0 || (entry & 1n) !== 0n ? { kind: "zero" } : { kind: "plain", offset };
}
