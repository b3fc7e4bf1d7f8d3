import { statSync } from "node:fs";
import { open } from "node:fs/promises";
import type { BootFile, BootFilesDeps } from "./files.ts";
import { type Conditions, decidePart } from "./range.ts";

/**
 * What `stat` says of a regular file; a directory, a device or nothing is `undefined`. Not awaited: an answer given in
 * its request's own turn leaves with one `send` for its head instead of six, and Bun opens the file in this thread anyway.
 */
export const statFile: BootFilesDeps["stat"] = (path) => {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found?.isFile() ? { size: found.size, modified: Math.trunc(found.mtimeMs) } : undefined;
  } catch {
    return undefined;
  }
};

/** The HTTP answer with the file or a part of it, out of `held` where it is in memory; else from disk to socket. */
export function fileResponse(file: BootFile, method: string, conditions: Conditions, held?: Blob): Response {
  const size = file.kind === "bytes" ? file.bytes.length : file.size;
  const modified = file.kind === "disk" ? file.modified : undefined;
  const part = decidePart(conditions, { size, etag: file.etag, modified });
  const headers: Record<string, string> = {
    "content-type": file.type,
    etag: file.etag,
    "accept-ranges": "bytes",
    // Loaders keep nothing; a proxy in between has to ask whether it is still the same.
    "cache-control": "no-cache",
    ...(modified !== undefined && { "last-modified": new Date(modified).toUTCString() }),
  };
  if (part.kind === "not-modified") return new Response(null, { status: 304, headers });
  if (part.kind === "unsatisfiable") {
    return new Response(null, { status: 416, headers: { ...headers, "content-range": `bytes */${size}` } });
  }
  const first = part.kind === "range" ? part.first : 0;
  const end = part.kind === "range" ? part.last + 1 : size;
  if (part.kind === "range") headers["content-range"] = `bytes ${first}-${end - 1}/${size}`;
  const status = part.kind === "range" ? 206 : 200;
  headers["content-length"] = String(end - first);
  return new Response(method === "HEAD" ? null : content(file, first, end, held), { status, headers });
}

function content(file: BootFile, first: number, end: number, held?: Blob): Blob | Uint8Array<ArrayBuffer> {
  // checked: a program's bytes never lie in shared memory
  if (file.kind === "bytes") return file.bytes.subarray(first, end) as Uint8Array<ArrayBuffer>;
  const whole = held ?? Bun.file(file.path);
  return end - first === file.size ? whole : whole.slice(first, end);
}

/** A file on disk for reading in pieces; whoever opens it closes it. */
export async function openPieces(path: string): Promise<{
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): void;
}> {
  const handle = await open(path, "r");
  return {
    async read(offset, length) {
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    },
    close: () => void handle.close().catch(() => undefined),
  };
}
