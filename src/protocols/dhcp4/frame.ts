import { type Ipv4, ipv4At, ipv4Bytes } from "../inet/ipv4.ts";

export interface UdpDatagram {
  source: Ipv4;
  sourcePort: number;
  destination: Ipv4;
  destinationPort: number;
  payload: Uint8Array;
}

const ipHeader = 20;
const udpHeader = 8;
const udp = 17;

/**
 * An IPv4 packet with one UDP datagram in it, checksums filled in: what a packet socket needs to answer a client that
 * has no address yet and so cannot be asked for by ARP (RFC 2131 §4.1).
 */
export function encodeUdpPacket(datagram: UdpDatagram): Uint8Array {
  const length = ipHeader + udpHeader + datagram.payload.length;
  const packet = new Uint8Array(length);
  const view = new DataView(packet.buffer);
  packet[0] = 0x45;
  packet[1] = 0x10;
  view.setUint16(2, length);
  packet[8] = 64;
  packet[9] = udp;
  packet.set(ipv4Bytes(datagram.source), 12);
  packet.set(ipv4Bytes(datagram.destination), 16);
  view.setUint16(10, checksum(packet.subarray(0, ipHeader)));
  view.setUint16(20, datagram.sourcePort);
  view.setUint16(22, datagram.destinationPort);
  view.setUint16(24, udpHeader + datagram.payload.length);
  packet.set(datagram.payload, ipHeader + udpHeader);
  // RFC 768: over a pseudo header of both addresses, the protocol and the length; 0 would mean "none".
  const pseudo = udp + udpHeader + datagram.payload.length;
  view.setUint16(26, checksum(packet.subarray(12), pseudo) || 0xffff);
  return packet;
}

/** The UDP datagram of an IPv4 packet; `undefined` for anything else, fragments and short packets included. */
export function decodeUdpPacket(packet: Uint8Array): UdpDatagram | undefined {
  if (packet.length < ipHeader + udpHeader || (packet[0] ?? 0) >> 4 !== 4 || packet[9] !== udp)
    return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  if ((view.getUint16(6) & 0x3fff) !== 0) return undefined;
  const start = ((packet[0] ?? 0) & 15) * 4;
  if (start < ipHeader || start + udpHeader > packet.length) return undefined;
  const end = start + view.getUint16(start + 4);
  if (end < start + udpHeader || end > packet.length) return undefined;
  return {
    source: ipv4At(packet, 12),
    destination: ipv4At(packet, 16),
    sourcePort: view.getUint16(start),
    destinationPort: view.getUint16(start + 2),
    payload: packet.subarray(start + udpHeader, end),
  };
}

/** RFC 1071. */
function checksum(bytes: Uint8Array, initial = 0): number {
  let sum = initial;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
