import { blockCount, dataHeader, encodeRun } from "../protocols/tftp/blocks.ts";
import { closeFile, fileSize, readFile, type TftpFile } from "./tftp-source.ts";

/** Consecutive DATA packets of one file, encoded once and sent to whoever asks. */
export interface Run {
  /** Block number of the first packet, counted from 1 without wrapping. */
  first: number;
  count: number;
  /** Packet `n` starts at `n × stride`; only a file's last packet is shorter than `stride`. */
  bytes: Uint8Array;
  stride: number;
}

export interface PacketReader {
  /** DATA packets in all. */
  blocks: number;
  /** The run that holds `block`, a promise where it has to be read first; begins to read the next one. */
  run(block: number): Run | Promise<Run>;
  close(): void;
}

export interface PacketCache {
  open(file: TftpFile, blksize: number): PacketReader;
}

/** Bytes of a run: long enough that reading and encoding pay, short enough for a first answer at once. */
const runBytes = 256 * 1024;

/** Keeps up to `capacity` bytes of encoded packets; what was used longest ago goes first. */
export function createPacketCache(capacity: number): PacketCache {
  const runs = new Map<string, Run | Promise<Run>>();
  const names = new WeakMap<Uint8Array, string>();
  let unnamed = 0;
  let held = 0;

  function nameOf(file: TftpFile): string {
    if (file.key !== undefined) return `key ${file.key}`;
    if (!("bytes" in file)) return `file ${++unnamed}`;
    const known = names.get(file.bytes);
    if (known !== undefined) return known;
    const name = `bytes ${++unnamed}`;
    names.set(file.bytes, name);
    return name;
  }

  function keep(key: string, run: Run): Run {
    runs.set(key, run);
    held += run.bytes.length;
    for (const [other, value] of runs) {
      if (held <= capacity) break;
      if (value instanceof Promise || value === run) continue;
      runs.delete(other);
      held -= value.bytes.length;
    }
    return run;
  }

  return {
    open(file, blksize) {
      const size = fileSize(file);
      const blocks = blockCount(size, blksize);
      const stride = blksize + dataHeader;
      const perRun = Math.max(1, Math.floor(runBytes / stride));
      const name = `${nameOf(file)} ${size} ${blksize}`;
      let reading = 0;
      let closed = false;

      function load(index: number): Run | Promise<Run> {
        const key = `${name} ${index}`;
        const known = runs.get(key);
        if (known !== undefined) {
          // moves it to the end of the eviction order
          runs.delete(key);
          runs.set(key, known);
          return known;
        }
        const first = index * perRun + 1;
        const count = Math.min(perRun, blocks - index * perRun);
        const offset = index * perRun * blksize;
        const encoded = (bytes: Uint8Array) =>
          keep(key, { first, count, stride, bytes: encodeRun(bytes, first, count, blksize) });
        const bytes = readFile(file, offset, Math.min(count * blksize, size - offset));
        if (!(bytes instanceof Promise)) return encoded(bytes);
        reading++;
        const loading = bytes
          .then(encoded, (error) => {
            runs.delete(key);
            throw error;
          })
          .finally(() => {
            reading--;
            if (closed && reading === 0) closeFile(file);
          });
        runs.set(key, loading);
        return loading;
      }

      return {
        blocks,
        run(block) {
          const index = Math.floor((block - 1) / perRun);
          const found = load(index);
          if (!("bytes" in file) && (index + 1) * perRun < blocks) {
            const next = load(index + 1);
            // whoever asks for that run hears of the failure
            if (next instanceof Promise) next.catch(() => {});
          }
          return found;
        },
        close() {
          closed = true;
          // another transfer may be waiting for what this one began to read
          if (reading === 0) closeFile(file);
        },
      };
    },
  };
}
