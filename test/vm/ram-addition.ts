import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeArchive } from "../../src/images/ram-archive.ts";
import { ramDirectory } from "../lab/bastion.ts";

/** Writes the RAM environment's initrd to `path` with these programs, by their paths in it, over its own. */
export function addToRam(path: string, programs: Readonly<Record<string, string>>): void {
  const ram = readFileSync(join(ramDirectory, "x86_64/initrd.img"));
  const archive = encodeArchive(
    Object.entries(programs).map(([name, text]) => ({
      kind: "file",
      path: name,
      mode: 0o755,
      content: new TextEncoder().encode(text),
    })),
  );
  // The kernel reads one archive after the other, each from a multiple of four bytes; the later file wins.
  writeFileSync(path, Buffer.concat([ram, Buffer.alloc(-ram.length & 3), archive]));
}
