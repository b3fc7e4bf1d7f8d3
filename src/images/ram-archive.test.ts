import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ArchiveEntry, encodeArchive } from "./ram-archive.ts";
import { runTool } from "./tool.client.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const entries: ArchiveEntry[] = [
  { kind: "file", path: "init", mode: 0o755, content: bytes("#!/bin/sh\n") },
  { kind: "link", path: "bin", target: "usr/bin" },
  { kind: "file", path: "usr/bin/tool", mode: 0o755, content: bytes("12345") },
  { kind: "directory", path: "tmp", mode: 0o1777 },
  { kind: "device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
];

describe("encodeArchive", () => {
  test("the same entries in any order give the same bytes", () => {
    const forth = encodeArchive(entries);
    const back = encodeArchive([...entries].reverse());
    expect(Buffer.from(forth).equals(Buffer.from(back))).toBe(true);
  });

  test("each header is 110 characters of the newc format, owned by root, dated 1970", () => {
    const text = new TextDecoder("latin1").decode(encodeArchive([entries[0] ?? never()]));
    expect(text.slice(0, 116)).toBe(
      // magic, inode, mode, uid, gid, links, mtime, size, device ×2, special device ×2, name length, check
      `${"070701 00000001 000081ed 00000000 00000000 00000001 00000000 0000000a 00000000 00000000 00000000 00000000 00000005 00000000".replaceAll(" ", "")}init\0\0`,
    );
    expect(text.length % 512).toBe(0);
  });

  test("names folders that were left unsaid before what is in them", async () => {
    const listing = await list(encodeArchive(entries));
    expect(listing).toEqual(["bin", "dev", "dev/console", "init", "tmp", "usr", "usr/bin", "usr/bin/tool"]);
  });

  test("cpio unpacks it to the same files", async () => {
    const folder = mkdtempSync(join(tmpdir(), "archive-test-"));
    try {
      const archive = join(folder, "archive");
      writeFileSync(archive, encodeArchive(entries.filter(({ kind }) => kind !== "device")));
      await runTool(["cpio", "--extract", "--quiet", "--file", archive], { package: "cpio", cwd: folder });
      expect(readFileSync(join(folder, "usr/bin/tool"), "utf8")).toBe("12345");
      expect(statSync(join(folder, "init")).mode & 0o777).toBe(0o755);
      expect(readlinkSync(join(folder, "bin"))).toBe("usr/bin");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

async function list(archive: Uint8Array): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "archive-test-"));
  try {
    writeFileSync(join(folder, "archive"), archive);
    const options = { package: "cpio", cwd: folder };
    return (await runTool(["cpio", "--list", "--quiet", "--file", "archive"], options)).trim().split("\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function never(): never {
  throw new Error("the sample has an entry");
}
