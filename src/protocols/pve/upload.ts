import { AppError } from "../../platform/errors.ts";

/** What is uploaded: a file's size and its bytes, from the start. */
export interface UploadSource {
  filename: string;
  size: number;
  open(): AsyncIterable<Uint8Array>;
}

export interface UploadRequest {
  node: string;
  storage: string;
  /** Snippets are never taken. */
  content: "iso" | "vztmpl" | "import";
  source: UploadSource;
  /** SHA-256 in hexadecimal: the node refuses a file that differs. */
  sha256?: string;
  onProgress?: (sent: number, size: number) => void;
}

export interface Multipart {
  contentType: string;
  length: number;
  body: AsyncIterable<Uint8Array>;
}

const nameRule = /^[A-Za-z0-9][A-Za-z0-9_.+-]{0,250}$/;

/** RFC 7578, in the order pveproxy insists on: the fields, then the file, with a length known beforehand. */
export function encodeMultipart(request: UploadRequest, boundary: string): Multipart {
  const { content, source, sha256, onProgress } = request;
  if (!nameRule.test(source.filename)) {
    throw new AppError("invalid", `'${source.filename.slice(0, 80)}' cannot be the name of an upload`, {
      hint: "letters, digits, '.', '_', '+' and '-'; an ISO ends in .iso",
    });
  }
  const fields: [string, string][] = [["content", content]];
  if (sha256 !== undefined) fields.push(["checksum-algorithm", "sha256"], ["checksum", sha256]);
  const encoder = new TextEncoder();
  const part = (name: string, rest: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${rest}`;
  const head = encoder.encode(
    fields.map(([name, value]) => `${part(name, "")}\r\n\r\n${value}\r\n`).join("") +
      `${part("filename", `; filename="${source.filename}"`)}\r\nContent-Type: application/octet-stream\r\n\r\n`,
  );
  const tail = encoder.encode(`\r\n--${boundary}--\r\n`);

  async function* body(): AsyncGenerator<Uint8Array> {
    yield head;
    let sent = 0;
    for await (const chunk of source.open()) {
      sent += chunk.length;
      if (sent > source.size) break;
      yield chunk;
      onProgress?.(sent, source.size);
    }
    if (sent !== source.size) {
      throw new AppError("conflict", `${source.filename} changed while it was uploaded`, {
        hint: "try again",
      });
    }
    yield tail;
  }

  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    length: head.length + source.size + tail.length,
    body: body(),
  };
}
