import { describe, expect, test } from "bun:test";
import { readFileSync, realpathSync } from "node:fs";
import { decodeElf } from "./ram-elf.ts";
import { chooseFiles, mergeUsr, type PackageFile } from "./ram-tree.ts";

// A real program of this host: what it is linked to is in its own header.
const shell = new Uint8Array(readFileSync(realpathSync("/bin/sh")));
const library = "usr/lib/x86_64-linux-gnu/libc.so.6";
const script = new TextEncoder().encode("#!/bin/sh\n");

const files: PackageFile[] = [
  { kind: "file", path: "usr/bin/dash", package: "dash", mode: 0o4755 },
  { kind: "link", path: "usr/bin/sh", package: "dash", target: "dash" },
  { kind: "file", path: "usr/share/doc/dash/copyright", package: "dash", mode: 0o644 },
  { kind: "link", path: library, package: "libc6", target: "libc-2.36.so" },
  { kind: "file", path: "usr/lib/x86_64-linux-gnu/libc-2.36.so", package: "libc6", mode: 0o644 },
  { kind: "file", path: "usr/lib/udev/rules.d/64-md-raid-assembly.rules", package: "mdadm", mode: 0o644 },
  { kind: "file", path: "usr/lib/udev/rules.d/63-md-raid-arrays.rules", package: "mdadm", mode: 0o644 },
];
const read = (file: PackageFile) => (file.path === "usr/bin/dash" ? shell : script);
const choose = (wanted: Record<string, string[]>, from = files) =>
  chooseFiles(from, wanted, [/64-md-raid-assembly/], read);
const paths = (chosen: ReturnType<typeof choose>) => chosen.entries.map(({ path }) => path).sort();

test("decodeElf: the libraries a program of this host is linked to, and nothing of a script", () => {
  expect(decodeElf(shell)?.needed).toContain("libc.so.6");
  expect(decodeElf(shell)?.interpreter).toMatch(/^\/lib/);
  expect(decodeElf(script)).toBeUndefined();
});

test("decodeElf: a file cut anywhere does not make it throw", () => {
  for (let length = 0; length < shell.length; length += 997) decodeElf(shell.subarray(0, length));
});

describe("chooseFiles", () => {
  test("takes libraries through their links, and what a link points at", () => {
    const chosen = choose({ dash: ["usr/bin/sh"] });
    expect(paths(chosen)).toEqual([
      "usr/bin/dash",
      "usr/bin/sh",
      "usr/lib/x86_64-linux-gnu/libc-2.36.so",
      library,
    ]);
    expect([...chosen.packages].sort()).toEqual(["dash", "libc6"]);
  });

  test("no file is set-user-id, whatever its package says", () => {
    const [entry] = choose({ dash: ["usr/bin/dash"] }).entries;
    expect(entry).toMatchObject({ kind: "file", mode: 0o755 });
  });

  test("what would write to disks by itself stays out", () => {
    expect(paths(choose({ mdadm: ["usr/lib/udev/rules.d/"] }))).toEqual([
      "usr/lib/udev/rules.d/63-md-raid-arrays.rules",
    ]);
  });

  test("a package that moved a file, or a library nobody has, is an error and not a lesser environment", () => {
    expect(() => choose({ dash: ["usr/sbin/dash"] })).toThrow("the package 'dash' holds no 'usr/sbin/dash'");
    const bare = files.filter((file) => file.package !== "libc6");
    expect(() => choose({ dash: ["usr/bin/dash"] }, bare)).toThrow("no package holds 'libc.so.6'");
  });
});

test("mergeUsr: only the folders Debian merged", () => {
  const merged = ["sbin/lvm", "lib64/ld.so", "lib", "library/x", "etc/mke2fs.conf"].map(mergeUsr);
  expect(merged).toEqual(["usr/sbin/lvm", "usr/lib64/ld.so", "usr/lib", "library/x", "etc/mke2fs.conf"]);
});
