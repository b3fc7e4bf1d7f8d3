import { opcode } from "./packet.ts";

/** Bytes before the payload of a DATA packet. */
export const dataHeader = 4;

/** Number of DATA packets a file takes: a file of an exact multiple ends with an empty one (RFC 1350 §6). */
export function blockCount(size: number, blksize: number): number {
  return Math.floor(size / blksize) + 1;
}

/**
 * `bytes` as consecutive DATA packets back to back in one buffer: packet `n` starts at
 * `n × (4 + blksize)`. `first` counts from 1 and does not wrap; the number on the wire does (65535 → 0).
 * `count` says how many, so that a run may end with an empty packet.
 */
export function encodeRun(bytes: Uint8Array, first: number, count: number, blksize: number): Uint8Array {
  const out = new Uint8Array(bytes.length + count * dataHeader);
  let from = 0;
  let to = 0;
  for (let block = first; block < first + count; block++) {
    out[to + 1] = opcode.DATA;
    out[to + 2] = block >> 8;
    out[to + 3] = block;
    const end = Math.min(from + blksize, bytes.length);
    out.set(bytes.subarray(from, end), to + dataHeader);
    to += dataHeader + end - from;
    from = end;
  }
  return out;
}
