import { expect, test } from "bun:test";
import fc from "fast-check";
import { decode, encode, type Packet } from "./packet.ts";
import firmwareRequests from "./testdata/firmware-requests.json";

const bytes = (...values: (number | string)[]) =>
  Uint8Array.from(values.flatMap((value) => (typeof value === "string" ? [...Buffer.from(value)] : [value])));

for (const { capture, hex, packet } of firmwareRequests) {
  test(`${capture}: ${packet.filename} ${packet.options.map(([name]) => name).join(" ")} decodes and encodes back`, () => {
    const datagram = Uint8Array.fromHex(hex);
    const decoded: unknown = decode(datagram);
    expect(decoded).toEqual(packet);
    const again = decode(datagram);
    if (again.kind === "ignore") throw new Error(again.reason);
    expect(encode(again).toHex()).toBe(hex);
  });
}

const text = fc.string({ unit: "grapheme", maxLength: 40 }).filter((value) => !value.includes("\0"));
const name = text.filter((value) => value !== "");
const options = fc.array(fc.tuple(name, text), { maxLength: 8 });
const u16 = fc.integer({ min: 0, max: 0xffff });
const packet: fc.Arbitrary<Packet> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("RRQ" as const, "WRQ" as const),
    filename: name,
    mode: fc.constantFrom("octet" as const, "netascii" as const),
    options,
  }),
  fc.record({ kind: fc.constant("DATA" as const), block: u16, bytes: fc.uint8Array({ maxLength: 600 }) }),
  fc.record({ kind: fc.constant("ACK" as const), block: u16 }),
  fc.record({ kind: fc.constant("ERROR" as const), code: u16, message: text }),
  fc.record({
    kind: fc.constant("OACK" as const),
    options: fc.array(fc.tuple(name, text), { minLength: 1, maxLength: 8 }),
  }),
);

test("what is encoded decodes to the same packet", () => {
  fc.assert(
    fc.property(packet, (value) => {
      const datagram = encode(value);
      fc.pre(datagram.length <= 1024);
      expect(decode(datagram)).toEqual(value);
    }),
  );
});

test("no datagram makes decode throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1500 }), (datagram) => void decode(datagram)),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 7 }), fc.uint8Array({ maxLength: 80 }), (code, rest) => {
      const datagram = Uint8Array.of(0, code, ...rest);
      expect(["ignore", "RRQ", "WRQ", "DATA", "ACK", "ERROR", "OACK"]).toContain(decode(datagram).kind);
    }),
    { numRuns: 2000 },
  );
});

test("a truncated packet decodes to a packet or a reason, never to an exception", () => {
  fc.assert(
    fc.property(packet, fc.nat(), (value, at) => {
      const datagram = encode(value);
      const decoded = decode(datagram.subarray(0, at % datagram.length));
      if (decoded.kind === "ignore") expect(decoded.reason).not.toBe("");
      else expect(decoded.kind).toBe(value.kind);
    }),
  );
});

test("an option name keeps its spelling, an unfinished option is dropped, padding is skipped", () => {
  expect(decode(bytes(0, 1, "f\0OCTET\0BlkSize\x001400\0tsize\0"))).toEqual({
    kind: "RRQ",
    filename: "f",
    mode: "octet",
    options: [["BlkSize", "1400"]],
  });
  expect(decode(bytes(0, 1, "f\0octet\0\0\0\0\0\0"))).toMatchObject({ options: [] });
});

test("the final NUL of an ERROR may be missing", () => {
  expect(decode(bytes(0, 5, 0, 8, "User aborted"))).toEqual({
    kind: "ERROR",
    code: 8,
    message: "User aborted",
  });
});

test("requests without a name, with another mode, or longer than any boot file's name are declined", () => {
  expect(decode(bytes(0, 1, "\0octet\0")).kind).toBe("ignore");
  expect(decode(bytes(0, 1, "f\0mail\0")).kind).toBe("ignore");
  expect(decode(bytes(0, 1, "f\0octet")).kind).toBe("ignore");
  expect(decode(bytes(0, 1, `${"f".repeat(1100)}\0octet\0`)).kind).toBe("ignore");
});
