import { expect, test } from "bun:test";
import { encodeNetascii } from "./netascii.ts";

test("LF becomes CR LF and CR becomes CR NUL", () => {
  const wire = encodeNetascii(new TextEncoder().encode("a\nb\rc\r\n"));
  expect(new TextDecoder().decode(wire)).toBe("a\r\nb\r\0c\r\0\r\n");
});

test("bytes without either stay the same buffer", () => {
  const plain = Uint8Array.of(1, 2, 3);
  expect(encodeNetascii(plain)).toBe(plain);
});
