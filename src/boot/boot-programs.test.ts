import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createBootPrograms } from "./boot-programs.client.ts";
import { decideNbp } from "./nbp.ts";

const directory = join(import.meta.dir, "../../ipxe");
const listed = new Map(
  readFileSync(join(directory, "SOURCES.md"), "utf8")
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim().replaceAll("`", "")))
    .filter((cells) => /^[0-9a-f]{64}$/.test(cells[4] ?? ""))
    .map((cells) => [cells[1] ?? "", cells[4] ?? ""]),
);
const sha256 = (bytes: Uint8Array) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

test("every boot program is embedded, and is the very file SOURCES.md names", async () => {
  const programs = createBootPrograms();
  expect(listed.size).toBeGreaterThan(7);
  expect<string[]>([...programs.names].sort()).toEqual([...listed.keys()].sort());
  for (const [name, sum] of listed) {
    const bytes = await programs.read(name);
    expect(bytes === undefined ? name : `${name} ${sha256(bytes)}`).toBe(`${name} ${sum}`);
  }
});

test("nothing lies in ipxe/ that SOURCES.md does not account for", () => {
  const binaries = readdirSync(directory).filter((name) => name !== "SOURCES.md");
  expect(binaries.sort()).toEqual([...listed.keys()].sort());
});

test("a name that is no boot program is not read from anywhere", () => {
  const programs = createBootPrograms();
  for (const name of ["../SOURCES.md", "SOURCES.md", "constructor", "__proto__", ""])
    expect(programs.read(name)).toBeUndefined();
});

test("every program DHCP offers is one of them", () => {
  const programs = createBootPrograms();
  for (const program of ["ipxe", "snponly", "grub"] as const) {
    for (const platform of ["bios", "uefi-x64", "uefi-arm64"] as const) {
      const settings = { server: "10.0.0.1", httpPort: 8080, program };
      const name = decideNbp({ kind: "pxe", platform, speaksHttp: false }, settings) ?? "";
      expect<readonly string[]>(programs.names).toContain(name);
      const url = decideNbp({ kind: "http", platform, speaksHttp: true }, settings);
      expect(url).toBe(`http://10.0.0.1:8080/boot/${name}`);
    }
  }
});
