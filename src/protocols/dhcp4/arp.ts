import { type Mac, macFromBytes, macToBytes } from "../../platform/mac.ts";
import { type Ipv4, ipv4At, ipv4Bytes } from "../inet/ipv4.ts";

const length = 28;

/** "Who has `target`?", asked without claiming an address ourselves (RFC 5227 §2.1.1: sender address zero). */
export function encodeArpProbe(sender: Mac, target: Ipv4): Uint8Array {
  const packet = new Uint8Array(length);
  // Ethernet, IPv4, their address lengths, request
  packet.set([0, 1, 8, 0, 6, 4, 0, 1]);
  packet.set(macToBytes(sender), 8);
  packet.set(ipv4Bytes(target), 24);
  return packet;
}

/** Who says, in a request or a reply, that it holds an address; `undefined` for anything else. */
export function decodeArp(packet: Uint8Array): { mac: Mac; address: Ipv4 } | undefined {
  if (packet.length < length) return undefined;
  const fixed = [0, 1, 8, 0, 6, 4, 0];
  if (fixed.some((byte, at) => packet[at] !== byte)) return undefined;
  const mac = macFromBytes(packet.subarray(8, 14));
  const address = ipv4At(packet, 14);
  return mac === undefined || address === 0 ? undefined : { mac, address };
}
