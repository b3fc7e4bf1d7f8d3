import type { Clock } from "../platform/clock.ts";
import { encodeNetascii } from "../protocols/tftp/netascii.ts";

/** Who asks, as the datagram says. */
export interface TftpClient {
  address: string;
  port: number;
  /** The address of ours that was asked. */
  local: string;
}

/**
 * A file to send: in memory, or read in pieces. Files with an equal `key` hold the same bytes, so that
 * simultaneous transfers share their packets; without one, only the very same `bytes` are shared.
 */
export type TftpFile =
  | { bytes: Uint8Array; key?: string }
  | {
      /** In bytes; must not change while the file is open. */
      size: number;
      key?: string;
      /** Exactly `length` bytes from `offset`; anything shorter ends the transfer. */
      read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
      close?(): void;
    };

/** Where names become files. The path is relative, normalised and within the root: `grub/grub.cfg`. */
export interface TftpSource {
  open(path: string, client: TftpClient): TftpFile | undefined | Promise<TftpFile | undefined>;
}

export function fileSize(file: TftpFile): number {
  return "bytes" in file ? file.bytes.length : file.size;
}

/** Exactly `length` bytes; throws where the file ends too soon. */
export function readFile(file: TftpFile, offset: number, length: number): Uint8Array | Promise<Uint8Array> {
  if ("bytes" in file) return file.bytes.subarray(offset, offset + length);
  const whole = (bytes: Uint8Array) => {
    if (bytes.length === length) return bytes;
    throw new Error(`file gave ${bytes.length} of ${length} bytes at ${offset}`);
  };
  const read = file.read(offset, length);
  return read instanceof Promise ? read.then(whole) : whole(read);
}

export function closeFile(file: TftpFile): void {
  if (!("bytes" in file)) file.close?.();
}

/** Opens `path`, but waits at most `ms`: throws then, and closes the file if it comes after all. */
export function openWithin(
  ms: number,
  clock: Clock,
  source: TftpSource,
  path: string,
  client: TftpClient,
): ReturnType<TftpSource["open"]> {
  const opening = source.open(path, client);
  if (!(opening instanceof Promise)) return opening;
  return new Promise((resolve, reject) => {
    let late = false;
    const cancel = clock.after(ms, () => {
      late = true;
      reject(new Error(`not opened within ${ms} ms`));
    });
    opening.then(
      (file) => {
        cancel();
        if (late && file) closeFile(file);
        resolve(file);
      },
      (error) => {
        cancel();
        reject(error);
      },
    );
  });
}

/** The file converted for mode netascii, in memory; closes it. Throws where it is longer than `most` bytes. */
export async function inNetascii(file: TftpFile, most: number): Promise<TftpFile> {
  const size = fileSize(file);
  if (size > most)
    throw new Error(`${size} bytes are too many for netascii, the client should ask for octet`);
  const bytes = encodeNetascii(await readFile(file, 0, size));
  closeFile(file);
  return { bytes };
}
