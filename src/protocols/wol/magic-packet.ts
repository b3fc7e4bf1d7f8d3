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

/** The card that is woken by it; `undefined`: it is no magic packet. */
export function decodeMagicPacket(packet: Uint8Array): string | undefined {
  if (packet.length < 102 || !packet.subarray(0, 6).every((byte) => byte === 0xff)) return undefined;
  const address = packet.subarray(6, 12);
  for (let at = 12; at < 102; at++) if (packet[at] !== address[at % 6]) return undefined;
  return [...address].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
