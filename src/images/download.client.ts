import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { AppError } from "../platform/errors.ts";
import { noRoom } from "./disk-writer.client.ts";
import type { Report } from "./model.ts";

export interface Download {
  url: string;
  to: string;
  /** What it has to be. */
  sha256: string;
}

/** Milliseconds without a byte after which a transfer counts as broken. */
const silence = 30_000;
const maxAttempts = 6;
const maxTextBytes = 4 * 1024 * 1024;
const maxFileBytes = 4 * 1024 ** 3;

/**
 * Fetches a file and proves its checksum. A broken transfer goes on where it stopped, also in a later call:
 * what was had stands beside it as `TO.part`.
 * @throws `unavailable` when the mirror does not answer, `failed` for a file that is not the one promised.
 */
export async function download(wanted: Download, report: Report, signal: AbortSignal): Promise<number> {
  const part = `${wanted.to}.part`;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      await transfer(wanted.url, part, report, signal);
      break;
    } catch (error) {
      if (error instanceof AppError || signal.aborted || attempt === maxAttempts)
        throw unreachable(wanted.url, noRoom(error, part));
      await Bun.sleep(attempt * 500);
    }
  }
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(part)) hash.update(chunk);
  const proven = hash.digest("hex");
  if (proven !== wanted.sha256) {
    await rm(part, { force: true });
    throw new AppError("failed", `${wanted.url} is not the file its list of checksums speaks of`, {
      hint: `its sha256 is ${proven}, it should be ${wanted.sha256}; the mirror may be changing: try again later`,
    });
  }
  const { size } = await stat(part);
  await rename(part, wanted.to);
  return size;
}

async function transfer(url: string, part: string, report: Report, signal: AbortSignal): Promise<void> {
  const had = await stat(part).then(
    ({ size }) => size,
    () => 0,
  );
  const watch = createWatch(signal);
  const file = await open(part, "a");
  try {
    const response = await fetch(url, {
      headers: had > 0 ? { range: `bytes=${had}-` } : {},
      signal: watch.signal,
    });
    // All of it was there already; the checksum tells whether that is true.
    if (response.status === 416) return;
    if (!response.ok) throw refused(url, response.status);
    let done = response.status === 206 ? had : 0;
    if (done === 0) await file.truncate(0);
    const length = Number(response.headers.get("content-length") ?? Number.NaN);
    const total = Number.isSafeInteger(length) ? done + length : undefined;
    for await (const chunk of response.body ?? []) {
      watch.heard();
      done += chunk.length;
      if (done > maxFileBytes)
        throw new AppError("too-large", `${url} is larger than ${maxFileBytes / 1024 ** 3} GiB`);
      await writeAll(file, chunk);
      report(url.slice(url.lastIndexOf("/") + 1), done, total);
    }
    if (total !== undefined && done < total) throw new Error(`it ended after ${done} of ${total} bytes`);
    await file.sync();
  } finally {
    watch.stop();
    await file.close();
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
}

/** Ends a transfer that went silent. */
function createWatch(outer: AbortSignal) {
  const own = new AbortController();
  let timer = setTimeout(() => own.abort(new Error("nothing came for 30 s")), silence);
  return {
    signal: AbortSignal.any([outer, own.signal]),
    heard() {
      clearTimeout(timer);
      timer = setTimeout(() => own.abort(new Error("nothing came for 30 s")), silence);
    },
    stop: () => clearTimeout(timer),
  };
}

/** A short text: a list of checksums. */
export async function fetchText(url: string, signal: AbortSignal): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(silence)]) });
    if (!response.ok) throw refused(url, response.status);
    const text = await response.text();
    if (text.length > maxTextBytes)
      throw new AppError("too-large", `${url} is no list of checksums: it is too long`);
    return text;
  } catch (error) {
    throw unreachable(url, error);
  }
}

const refused = (url: string, status: number) =>
  new AppError(status === 404 ? "not-found" : "unavailable", `${url} was answered with ${status}`, {
    hint: "is the mirror complete? labctl config set install.mirrors.… names another",
  });

function unreachable(url: string, error: unknown): unknown {
  if (error instanceof AppError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new AppError("unavailable", `${url} cannot be fetched: ${reason}`, {
    hint: "check the network, or name another mirror: labctl config set install.mirrors.… URL",
    cause: error,
  });
}
