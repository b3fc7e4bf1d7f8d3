import type { IncomingMessage } from "node:http";
import { Refused } from "./failure.ts";
import type { UploadedFile } from "./operation.ts";

const maxBody = 512 * 1024;

export interface Body {
  params: Record<string, unknown>;
  upload?: UploadedFile;
}

/** Reads what a request carries besides its path, as far as pveproxy takes it. */
export async function readBody(request: IncomingMessage, isUpload: boolean): Promise<Body> {
  const { "content-length": length, "transfer-encoding": encoding } = request.headers;
  if (length === undefined && encoding === undefined) return { params: {} };
  const type = request.headers["content-type"] ?? "";
  if (isUpload && type.startsWith("multipart/form-data")) return readUpload(request, type);
  let body = "";
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > maxBody) throw new Bare(501, "for data too large");
    body += chunk;
  }
  if (request.method === "DELETE" && bytes > 0) throw new Bare(501, "Unexpected content for method 'DELETE'");
  if (bytes === 0) return { params: {} };
  if (type.startsWith("application/json")) return { params: readJson(body) };
  // What says nothing about itself is taken for a form.
  if (type === "" || type.startsWith("application/x-www-form-urlencoded")) return { params: readForm(body) };
  throw new Bare(506, `upload 'Content-Type '${type}' not implemented`);
}

/** An answer whose body is its text, or empty, without an envelope. */
export class Bare extends Error {
  readonly status: number;
  readonly body: string;

  constructor(status: number, reason: string, body = reason) {
    super(reason);
    this.status = status;
    this.body = body;
  }
}

/** A name given twice becomes a list, which no parameter takes. */
export function readForm(text: string): Record<string, unknown> {
  const params: Record<string, unknown> = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const before = params[name];
    params[name] = before === undefined ? value : [before, value].flat();
  }
  return params;
}

function readJson(body: string): Record<string, unknown> {
  try {
    const found: unknown = JSON.parse(body);
    return typeof found === "object" && found !== null ? { ...found } : {};
  } catch {
    throw new Bare(500, "malformed JSON string at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 934.");
  }
}

/** The fields, then the file, which is counted and not kept. */
async function readUpload(request: IncomingMessage, type: string): Promise<Body> {
  const boundary = /boundary=("?)([^";]+)\1/.exec(type)?.[2] ?? "";
  if (request.headers["content-length"] === undefined)
    throw new Bare(501, "chunked transfer encoding not supported");
  const params: Record<string, unknown> = {};
  let head = Buffer.alloc(0);
  let fileStart = -1;
  let total = 0;
  let filename = "";
  for await (const chunk of request) {
    total += chunk.length;
    if (fileStart >= 0) continue;
    head = Buffer.concat([head, chunk]);
    const text = head.toString("latin1");
    const file = /name="filename"; filename="([^"]+)"\r\n(?:[^\r]+\r\n)*\r\n/.exec(text);
    if (!file) {
      if (head.length > 65_536)
        throw new Bare(500, "upload failed at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 1370.");
      continue;
    }
    fileStart = file.index + file[0].length;
    filename = file[1] ?? "";
    for (const field of text.slice(0, file.index).matchAll(/name="([^"]+)"\r\n\r\n([^\r]*)\r\n/g))
      params[field[1] ?? ""] = field[2];
  }
  if (fileStart < 0)
    throw new Bare(500, "upload failed at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 1370.");
  const size = total - fileStart - `\r\n--${boundary}--\r\n`.length;
  if (size < 0) throw new Refused(500, "upload failed: short file");
  return { params: { ...params, filename }, upload: { filename, size } };
}
