import { expect, test } from "bun:test";
import fc from "fast-check";
import { normalisePath } from "./path.ts";

const path = (filename: string) => {
  const found = normalisePath(filename);
  return found.kind === "path" ? found.path : `ignore: ${found.reason}`;
};

test("leading slashes, doubled slashes, dots and backslashes lead to the same file", () => {
  for (const name of ["ipxe.efi", "/ipxe.efi", "//ipxe.efi", "\\ipxe.efi", "./ipxe.efi", "x/../ipxe.efi"]) {
    expect(path(name)).toBe("ipxe.efi");
  }
  expect(path("grub\\x86_64-efi\\fs.lst")).toBe("grub/x86_64-efi/fs.lst");
});

test("a path that leaves the root is refused, however it is written", () => {
  for (const name of ["../etc/passwd", "/../etc/passwd", "a/../../etc/passwd", "..\\..\\etc\\passwd"]) {
    expect(path(name)).toBe("ignore: path leaves the root");
  }
});

test("names of nothing, control characters and endless names are refused", () => {
  for (const name of ["", "/", ".", "a/..", "a\nb", "a\0b", "x".repeat(300)])
    expect(path(name)).toStartWith("ignore");
});

test("no normalised path holds an empty, dot or dot-dot part", () => {
  const part = fc.constantFrom("..", ".", "", "a", "b.c", "\\", "/", "%2e%2e");
  fc.assert(
    fc.property(fc.array(part), fc.constantFrom("/", "\\", "//"), (parts, separator) => {
      const found = normalisePath(parts.join(separator));
      if (found.kind !== "path") return;
      for (const piece of found.path.split("/")) expect(["", ".", ".."]).not.toContain(piece);
    }),
  );
});
