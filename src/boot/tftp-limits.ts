import type { TransferTimes } from "../protocols/tftp/transfer.ts";

export interface TftpLimits {
  /** Transfers at once, in all. */
  transfers: number;
  /** Transfers at once to one client address, and requests of it that wait for one. */
  perClient: number;
  /** Requests that wait while there are `transfers`. */
  waiting: number;
  /** After this many milliseconds without being asked again a waiting request is taken for given up. */
  patienceMs: number;
  /** Largest windowsize granted. */
  windowsize: number;
  /** Encoded packets kept for those who ask next. */
  cacheBytes: number;
  /** Largest file sent as netascii: it is converted in memory. */
  netasciiBytes: number;
  /** Longest wait for the source to open a file, in milliseconds. */
  openMs: number;
  times: TransferTimes;
}

export const defaultTftpLimits: TftpLimits = {
  transfers: 1024,
  perClient: 16,
  waiting: 16_384,
  // firmware waits 4 to 8 s before it asks again
  patienceMs: 10_000,
  windowsize: 64,
  cacheBytes: 32 * 1024 * 1024,
  netasciiBytes: 1024 * 1024,
  openMs: 5000,
  times: {
    initial: 1000,
    floor: 50,
    ceiling: 8000,
    firstAnswer: 20_000,
    silence: 30_000,
    whole: 3_600_000,
  },
};
