/** One member of an initramfs. Paths are relative, without a leading slash; owner and time are fixed by the writer. */
export type ArchiveEntry =
  | { kind: "directory"; path: string; mode: number }
  | { kind: "file"; path: string; mode: number; content: Uint8Array }
  | { kind: "link"; path: string; target: string }
  | { kind: "device"; path: string; mode: number; major: number; minor: number };

const type = { directory: 0o040000, file: 0o100000, link: 0o120000, device: 0o020000 } as const;
const trailer = "TRAILER!!!";
/** GNU cpio pads its output to this; the kernel does not care, tools that read the archive do. */
const blockLength = 512;
const text = new TextEncoder();

/**
 * Writes a cpio archive in the `newc` format (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
 * The same entries in any order give the same bytes: sorted by path, inodes counted up, root's, dated 1970.
 */
export function encodeArchive(entries: readonly ArchiveEntry[]): Uint8Array {
  const sorted = withParents(entries);
  const parts: Uint8Array[] = [];
  let length = 0;
  const add = (part: Uint8Array) => {
    parts.push(part);
    length += part.length;
  };
  const addMember = (header: Header, body: Uint8Array) => {
    const head = encodeHeader(header, body.length);
    add(head);
    add(body);
    add(new Uint8Array(-body.length & 3));
  };

  sorted.forEach((entry, index) => {
    const inode = index + 1;
    switch (entry.kind) {
      case "directory":
        addMember({ path: entry.path, inode, mode: type.directory | entry.mode, links: 2 }, new Uint8Array());
        return;
      case "file":
        addMember({ path: entry.path, inode, mode: type.file | entry.mode, links: 1 }, entry.content);
        return;
      case "link":
        addMember({ path: entry.path, inode, mode: type.link | 0o777, links: 1 }, text.encode(entry.target));
        return;
      case "device": {
        const { path, major, minor } = entry;
        addMember({ path, inode, mode: type.device | entry.mode, links: 1, major, minor }, new Uint8Array());
      }
    }
  });
  addMember({ path: trailer, inode: 0, mode: 0, links: 1 }, new Uint8Array());
  add(new Uint8Array((blockLength - (length % blockLength)) % blockLength));
  return concat(parts, length);
}

/** Sorted so that a directory comes before what is in it, with every directory that was left unsaid. */
function withParents(entries: readonly ArchiveEntry[]): ArchiveEntry[] {
  const byPath = new Map<string, ArchiveEntry>();
  for (const entry of entries) byPath.set(entry.path, entry);
  for (const { path } of entries) {
    for (let cut = path.lastIndexOf("/"); cut > 0; cut = path.lastIndexOf("/", cut - 1)) {
      const parent = path.slice(0, cut);
      if (!byPath.has(parent)) byPath.set(parent, { kind: "directory", path: parent, mode: 0o755 });
    }
  }
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

interface Header {
  path: string;
  inode: number;
  mode: number;
  links: number;
  major?: number;
  minor?: number;
}

function encodeHeader({ path, inode, mode, links, major = 0, minor = 0 }: Header, size: number): Uint8Array {
  const name = text.encode(`${path}\0`);
  const fields = [inode, mode, 0, 0, links, 0, size, 0, 0, major, minor, name.length, 0];
  const head = text.encode(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
  const length = head.length + name.length;
  // header and name together are padded to four bytes
  const out = new Uint8Array(length + (-length & 3));
  out.set(head);
  out.set(name, head.length);
  return out;
}

function concat(parts: readonly Uint8Array[], length: number): Uint8Array {
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
