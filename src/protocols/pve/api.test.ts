import { expect, test } from "bun:test";
import { encodeParams, route } from "./api.ts";

test("a path's values stay within their segment", () => {
  expect(route`/nodes/${"pve1"}/storage/${"local"}/content/${"local:iso/a b.iso"}`).toBe(
    "/nodes/pve1/storage/local/content/local%3Aiso%2Fa%20b.iso",
  );
  expect(route`/nodes/${"../access"}/qemu`).toBe("/nodes/..%2Faccess/qemu");
  for (const value of ["", ".", ".."]) expect(() => route`/nodes/${value}`).toThrow("cannot be part of");
});

test("booleans go out as 1 and 0, what is absent not at all", () => {
  expect(encodeParams({ a: true, b: false, c: undefined, d: "x y&z", e: 0 })).toBe("a=1&b=0&d=x+y%26z&e=0");
});
