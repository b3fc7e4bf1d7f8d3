import { expect, test } from "bun:test";
import { aptMirror } from "./apt-sources.ts";
import { embedGrub } from "./grub-embedding.ts";
import { imageRecipe, uuidOf } from "./image-recipe.ts";
import { findChecksum, installerSource } from "./installer-source.ts";

test("GRUB's stages are tied to each other by sector, and the partition table is left alone", () => {
  const boot = new Uint8Array(512).fill(0xaa);
  const core = new Uint8Array(1536).fill(0xbb);
  const { bootCode, core: tied } = embedGrub(boot, core, 2048, 4096);
  expect(bootCode.length).toBe(440);
  expect([...bootCode.subarray(0x5c, 0x64)]).toEqual([0, 8, 0, 0, 0, 0, 0, 0]);
  expect([...bootCode.subarray(0x66, 0x68)]).toEqual([0x90, 0x90]);
  expect([...tied.subarray(500, 508)]).toEqual([1, 8, 0, 0, 0, 0, 0, 0]);
  expect(tied.length).toBe(1536);
  expect(boot[0x5c]).toBe(0xaa);
  expect(() => embedGrub(boot, core, 2048, 1024)).toThrow("its partition 1024");
});

test("a recipe takes more packages by their names alone", () => {
  expect(imageRecipe("debian-13", ["htop"]).packages).toContain("htop");
  expect(() => imageRecipe("debian-13", ["htop; rm"])).toThrow("not the name of a package");
  expect(() => imageRecipe("fedora-42", [])).toThrow("no image can be made of 'fedora-42'");
});

test("a derived UUID is one of version 8", () => {
  expect(uuidOf(new Uint8Array(32).fill(0xff))).toBe("ffffffff-ffff-8fff-bfff-ffffffffffff");
});

test("the host's mirror is read from either style of apt's sources, third parties left out", () => {
  expect(
    aptMirror([
      "deb [signed-by=/k] https://other.example/apt main\ndeb http://a.example/debian/ bookworm main\n",
    ]),
  ).toBe("http://a.example/debian");
  expect(
    aptMirror(["Types: deb\nURIs: http://b.example/debian-security\n", "URIs: http://b.example/debian\n"]),
  ).toBe("http://b.example/debian");
  expect(aptMirror(["# deb http://a.example/debian x main\n"])).toBeUndefined();
});

test("an installer is found below its mirror, by distribution or by release", () => {
  expect(installerSource("debian-12", { debian: "http://a.example/debian/" }).base).toBe(
    "http://a.example/debian/dists/bookworm/main/installer-amd64/current/images",
  );
  expect(installerSource("fedora-42", { fedora: "http://a.example/f" }).base).toBe(
    "http://a.example/f/releases/42/Everything/x86_64/os",
  );
  expect(installerSource("rhel-9", { "rhel-9": "http://a.example/tree" }).base).toBe("http://a.example/tree");
  expect(() => installerSource("../etc", { x: "y" })).toThrow("names no distribution");
});

test("a checksum is found by the file's path, in either list", () => {
  const sum = "a".repeat(64);
  expect(findChecksum("sha256sums", `${sum}  ./netboot/x/linux\n`, "netboot/x/linux")).toBe(sum);
  expect(
    findChecksum(
      "treeinfo",
      `[checksums]\nimages/pxeboot/vmlinuz = sha256:${sum}\n`,
      "images/pxeboot/vmlinuz",
    ),
  ).toBe(sum);
  expect(findChecksum("sha256sums", `${sum}  ./other\n`, "linux")).toBeUndefined();
});
