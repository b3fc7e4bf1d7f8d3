import type { BootFile, BootFiles } from "./files.ts";
import type { TftpFile, TftpSource } from "./tftp-source.ts";

/** Opens a file on disk for reading in pieces. */
export type OpenPieces = (path: string) => Promise<{
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): void;
}>;

/**
 * The boot files as TFTP sends them. Scripts name our HTTP by the address of ours the client asked, so that
 * they suit each network. Disk images are for HTTP alone.
 */
export function createTftpFiles(files: BootFiles, openPieces: OpenPieces, httpPort: number): TftpSource {
  return {
    async open(path, client) {
      if (path.startsWith("image/")) return undefined;
      const from = { clientIp: client.address, baseUrl: `http://${client.local}:${httpPort}` };
      const file = await files.open(path, from);
      return file && transferred(file, openPieces);
    },
  };
}

async function transferred(file: BootFile, openPieces: OpenPieces): Promise<TftpFile> {
  if (file.kind === "bytes") return { bytes: file.bytes, key: `${file.etag} ${file.bytes.length}` };
  const pieces = await openPieces(file.path);
  return { size: file.size, key: `${file.path} ${file.etag}`, ...pieces };
}
