import { expect, test } from "bun:test";
import { parseMac } from "../../platform/mac.ts";
import { decodeMagicPacket, encodeMagicPacket } from "./magic-packet.ts";

test("a magic packet is six ff and the address sixteen times", () => {
  const packet = encodeMagicPacket(parseMac("52:54:00:12:34:56"));
  expect(Buffer.from(packet).toString("hex")).toBe(`ffffffffffff${"525400123456".repeat(16)}`);
  expect(decodeMagicPacket(packet)).toBe("52:54:00:12:34:56");
});

test("what is cut, or differs in one copy, wakes nobody", () => {
  const packet = encodeMagicPacket(parseMac("52:54:00:12:34:56"));
  expect(decodeMagicPacket(packet.subarray(0, 101))).toBeUndefined();
  packet[101] = 0x57;
  expect(decodeMagicPacket(packet)).toBeUndefined();
});
