import { describe, expect, test } from "bun:test";
import { closePackages, findKernelPackage, parsePackages } from "./ram-packages.ts";

const available = parsePackages(`Package: curl
Version: 7.88.1-10
Architecture: amd64
Depends: libc6 (>= 2.34), libcurl4 (= 7.88.1-10), zlib1g
Description: command line tool
 with lines that begin with a blank,
 Package: not-a-field
SHA256: aa11

Package: libcurl4
Version: 7.88.1-10
Pre-Depends: multiarch:any
Depends: libssl3 | libssl1.1, debconf (>= 0.5) | debconf-2.0

Package: libc6
Version: 2.36-9
Depends: libgcc-s1

Package: libgcc-s1
Version: 12.2
Depends: libc6

Package: zlib-ng
Version: 2
Provides: zlib1g (= 1:1.3), zlib-api

Package: libssl1.1
Version: 1.1

Package: libssl3
Version: 3.0

Package: libssl3
Version: 2.9

Package: multiarch
Version: 1

Package: linux-image-amd64
Version: 6.1.192-2
Depends: linux-image-6.1.0-56-amd64 (= 6.1.192-2)

Package: linux-image-6.1.0-56-amd64
Version: 6.1.192-2
Depends: initramfs-tools`);

describe("parsePackages", () => {
  test("reads fields at the beginning of a line only", () => {
    expect(available.get("curl")).toEqual({
      name: "curl",
      version: "7.88.1-10",
      architecture: "amd64",
      sha256: "aa11",
      depends: [["libc6"], ["libcurl4"], ["zlib1g"]],
      provides: [],
    });
  });

  test("of several versions the first counts, which is apt's candidate", () => {
    expect(available.get("libssl3")?.version).toBe("3.0");
  });
});

describe("closePackages", () => {
  const names = (roots: string[], without: string[]) =>
    closePackages(available, roots, new Set(without)).map(({ name }) => name);

  test("follows dependencies, alternatives, virtual packages and circles, sorted by name", () => {
    expect(names(["curl"], ["debconf"])).toEqual([
      "curl",
      "libc6",
      "libcurl4",
      "libgcc-s1",
      "libssl3",
      "multiarch",
      "zlib-ng",
    ]);
  });

  test("leaves out what only a running system needs", () => {
    expect(names(["libc6"], ["libgcc-s1"])).toEqual(["libc6"]);
  });

  test("says which package wants what nobody has", () => {
    expect(() => names(["curl"], [])).toThrow(
      "no package satisfies 'debconf | debconf-2.0', wanted by libcurl4",
    );
    expect(() => names(["nmap"], [])).toThrow("the package 'nmap' is in none of apt's sources");
  });
});

describe("findKernelPackage", () => {
  test("finds the package behind the one that only points to it", () => {
    expect(findKernelPackage(available, "amd64").name).toBe("linux-image-6.1.0-56-amd64");
  });
  test("says what is missing for another architecture", () => {
    expect(() => findKernelPackage(available, "arm64")).toThrow("'linux-image-arm64' is in none");
  });
});
