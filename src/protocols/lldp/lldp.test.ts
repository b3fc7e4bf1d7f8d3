import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodeLldpFrame } from "./lldp.ts";

const ethernet = "0180c200000e 001122334455 88cc";
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));
const tlv = (type: number, value: Buffer) => {
  const head = Buffer.alloc(2);
  head.writeUInt16BE((type << 9) | value.length);
  return Buffer.concat([head, value]).toString("hex");
};
const byte = (...values: number[]) => Buffer.from(values);

const frame = [
  ethernet,
  tlv(1, Buffer.concat([byte(4), byte(0, 0x11, 0x22, 0x33, 0x44, 0x55)])),
  tlv(2, Buffer.concat([byte(5), Buffer.from("ge-0/0/7")])),
  tlv(3, byte(0, 120)),
  tlv(4, Buffer.from("rack 4, server 7")),
  tlv(5, Buffer.from("leaf-4a")),
  tlv(8, byte(5, 1, 10, 0, 0, 2, 2, 0, 0, 0, 1, 0)),
  tlv(127, byte(0, 0x80, 0xc2, 1, 0, 42)),
  "0000",
].join("");

describe("decodeLldpFrame", () => {
  test("reads chassis, port, names, management address and VLAN", () => {
    expect(decodeLldpFrame(bytes(frame))).toEqual({
      kind: "neighbour",
      neighbour: {
        chassisId: "00:11:22:33:44:55",
        portId: "ge-0/0/7",
        ttlSeconds: 120,
        portDescription: "rack 4, server 7",
        systemName: "leaf-4a",
        managementAddress: "10.0.0.2",
        portVlan: 42,
      },
    });
  });

  test("keeps the TLVs that are whole when the frame was cut short", () => {
    const result = decodeLldpFrame(bytes(frame).subarray(0, 14 + 9 + 11 + 3));
    expect(result).toMatchObject({ kind: "neighbour", neighbour: { portId: "ge-0/0/7" } });
  });

  test("says why it declines a frame", () => {
    expect(decodeLldpFrame(new Uint8Array(4))).toMatchObject({ reason: "shorter than an Ethernet header" });
    expect(decodeLldpFrame(bytes(ethernet.replace("88cc", "0800")))).toMatchObject({
      reason: "not an LLDP frame",
    });
    expect(decodeLldpFrame(bytes(`${ethernet} 0000`))).toMatchObject({
      reason: "without a chassis id or a port id",
    });
  });

  test("control characters of a hostile neighbour become blanks", () => {
    const hostile = [
      ethernet,
      tlv(1, Buffer.concat([byte(7), Buffer.from("a\u001b[31mb")])),
      tlv(2, Buffer.concat([byte(7), Buffer.from("p")])),
    ].join("");
    expect(decodeLldpFrame(bytes(hostile))).toMatchObject({ neighbour: { chassisId: "a [31mb" } });
  });

  test("no bytes make it throw", () => {
    const head = bytes(ethernet);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (body, real) => {
        decodeLldpFrame(real ? Uint8Array.from([...head, ...body]) : body);
      }),
    );
  });
});
