import { expect, test } from "bun:test";
import fc from "fast-check";
import { blockCount, encodeRun } from "./blocks.ts";
import { encode } from "./packet.ts";

test("a file of an exact multiple of blksize ends with an empty block", () => {
  expect([0, 1, 511, 512, 513, 1024].map((size) => blockCount(size, 512))).toEqual([1, 1, 1, 2, 2, 3]);
});

test("a run is its DATA packets back to back, block numbers wrapped to 16 bits", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 8, max: 40 }),
      fc.integer({ min: 1, max: 200_000 }),
      (bytes, blksize, first) => {
        const count = blockCount(bytes.length, blksize);
        const packets = Array.from({ length: count }, (_, index) =>
          encode({
            kind: "DATA",
            block: (first + index) % 65536,
            bytes: bytes.subarray(index * blksize, (index + 1) * blksize),
          }),
        );
        expect(encodeRun(bytes, first, count, blksize)).toEqual(new Uint8Array(Buffer.concat(packets)));
      },
    ),
  );
});
