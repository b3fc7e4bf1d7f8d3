import { expect, test } from "bun:test";
import fc from "fast-check";
import { negotiate } from "./options.ts";
import type { OptionList, RequestPacket } from "./packet.ts";

const limits = { mtu: 1500, windowsize: 64 };
const request = (...options: OptionList): RequestPacket => ({
  kind: "RRQ",
  filename: "f",
  mode: "octet",
  options,
});

test("rule 17: EDK2 gets exactly what it asked for", () => {
  const asked = [
    ["tsize", "0"],
    ["blksize", "1468"],
    ["windowsize", "4"],
  ] as const;
  expect(negotiate(request(...asked), 1_000_000, limits)).toEqual({
    blksize: 1468,
    windowsize: 4,
    timeoutMs: undefined,
    sizeAsked: true,
    oack: [
      ["tsize", "1000000"],
      ["blksize", "1468"],
      ["windowsize", "4"],
    ],
  });
});

test("without options: 512 bytes, one block at a time, no OACK", () => {
  expect(negotiate(request(), 10, limits)).toMatchObject({ blksize: 512, windowsize: 1, oack: [] });
});

test("blksize is clamped to the path's MTU less 32, and never raised to it", () => {
  expect(negotiate(request(["blksize", "65464"]), 1, limits).oack).toEqual([["blksize", "1468"]]);
  expect(negotiate(request(["blksize", "1432"]), 1, { ...limits, mtu: 1400 }).blksize).toBe(1368);
  expect(negotiate(request(["blksize", "1024"]), 1, { ...limits, mtu: 9000 }).blksize).toBe(1024);
});

test("windowsize is clamped to the server's limit", () => {
  expect(negotiate(request(["windowsize", "65535"]), 1, limits).oack).toEqual([["windowsize", "64"]]);
});

test("timeout is acknowledged as asked, 1 to 255 seconds", () => {
  expect(negotiate(request(["timeout", "5"]), 1, limits)).toMatchObject({
    timeoutMs: 5000,
    oack: [["timeout", "5"]],
  });
  expect(negotiate(request(["timeout", "0"]), 1, limits).oack).toEqual([]);
  expect(negotiate(request(["timeout", "256"]), 1, limits).oack).toEqual([]);
});

test("values that are no numbers or out of range are left out, as are unknown options", () => {
  const odd = request(
    ["blksize", "7"],
    ["windowsize", "0"],
    ["tsize", "-1"],
    ["multicast", ""],
    ["utimeout", "9"],
  );
  expect(negotiate(odd, 1, limits).oack).toEqual([]);
});

test("an option named twice counts once, whatever its case", () => {
  expect(negotiate(request(["BLKSIZE", "600"], ["blksize", "700"]), 1, limits).oack).toEqual([
    ["BLKSIZE", "600"],
  ]);
});

test("nothing is ever granted that was not asked for, nor more than asked", () => {
  const option = fc.tuple(
    fc.constantFrom<string>("blksize", "tsize", "timeout", "windowsize", "Blksize", "x"),
    fc.oneof(fc.nat(100_000).map(String), fc.string()),
  );
  fc.assert(
    fc.property(fc.array(option), (options) => {
      const { oack } = negotiate(request(...options), 12345, limits);
      for (const [name, value] of oack) {
        const asked = options.find(([other]) => other.toLowerCase() === name.toLowerCase());
        expect(asked?.[0]).toBe(name);
        if (name !== "tsize") expect(Number(value)).toBeLessThanOrEqual(Number(asked?.[1]));
      }
    }),
  );
});
