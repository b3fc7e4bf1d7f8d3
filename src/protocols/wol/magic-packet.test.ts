import { expect, test } from "bun:test";
import { parseMac } from "../../platform/mac.ts";
import { encodeMagicPacket } from "./magic-packet.ts";

test("a magic packet is six ff and the address sixteen times", () => {
  const packet = encodeMagicPacket(parseMac("52:54:00:12:34:56"));
  expect(Buffer.from(packet).toString("hex")).toBe(`ffffffffffff${"525400123456".repeat(16)}`);
});
