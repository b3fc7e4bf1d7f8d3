import type { Mac } from "../../platform/mac.ts";

/** Where magic packets go by custom: discard (RFC 863). Cards look at the payload of any frame. */
export const wakePort = 9;

/** Six bytes of ones, then the card's address sixteen times (AMD, Magic Packet Technology, 1995). */
export function encodeMagicPacket(mac: Mac): Uint8Array {
  const address = mac.split(":").map((byte) => Number.parseInt(byte, 16));
  const packet = new Uint8Array(6 + 16 * 6).fill(0xff, 0, 6);
  for (let copy = 0; copy < 16; copy++) packet.set(address, 6 + copy * 6);
  return packet;
}
