import { type Ipv4, ipv4At, ipv4Bytes } from "../inet/ipv4.ts";
import { decodeOptions, encodeOptions } from "./option-area.ts";
import type { DhcpOptions } from "./options.ts";
import { decodeText, encodeText } from "./text.ts";

/** A DHCP message, RFC 2131 §2. */
export interface DhcpPacket {
  op: "request" | "reply";
  htype: number;
  hops: number;
  xid: number;
  /** Seconds since the client began, as it says. */
  secs: number;
  broadcast: boolean;
  ciaddr: Ipv4;
  yiaddr: Ipv4;
  siaddr: Ipv4;
  giaddr: Ipv4;
  /** As many bytes as `hlen` says, at most 16. */
  chaddr: Uint8Array;
  sname: string;
  file: string;
  options: DhcpOptions;
}

export type Decoded =
  | {
      kind: "packet";
      packet: DhcpPacket /** What could not be read, in words; the rest stands. */;
      faults: string[];
    }
  | { kind: "invalid"; reason: string };

const headerLength = 236;
const cookie = 0x63825363;
/** RFC 951 §3: a BOOTP message is 300 bytes at least, and some relays and ROMs drop shorter ones. */
const minLength = 300;
/** RFC 2132 §9.10: what a client takes that says nothing, and the least it may say. */
const minMessageSize = 576;
/** Option 57 counts the IP and UDP headers (RFC 2131 §2); an Ethernet frame holds 1500 of them in all. */
const ipAndUdp = 28;
const maxMessageSize = 1500;

/** Reads any datagram. Never throws. */
export function decodePacket(bytes: Uint8Array): Decoded {
  if (bytes.length < headerLength + 4) return { kind: "invalid", reason: `too short: ${bytes.length} bytes` };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const op = bytes[0];
  if (op !== 1 && op !== 2) return { kind: "invalid", reason: `op is ${op}` };
  if (view.getUint32(headerLength) !== cookie)
    return { kind: "invalid", reason: "no DHCP cookie (plain BOOTP)" };
  const hlen = bytes[2] ?? 0;
  if (hlen > 16) return { kind: "invalid", reason: `hardware address of ${hlen} bytes` };
  const area = decodeOptions(bytes);
  return {
    kind: "packet",
    faults: area.faults,
    packet: {
      op: op === 1 ? "request" : "reply",
      htype: bytes[1] ?? 0,
      hops: bytes[3] ?? 0,
      xid: view.getUint32(4),
      secs: view.getUint16(8),
      broadcast: (view.getUint16(10) & 0x8000) !== 0,
      ciaddr: ipv4At(bytes, 12),
      yiaddr: ipv4At(bytes, 16),
      siaddr: ipv4At(bytes, 20),
      giaddr: ipv4At(bytes, 24),
      chaddr: bytes.slice(28, 28 + hlen),
      sname: area.snameOverloaded ? "" : decodeText(bytes.subarray(44, 108)),
      file: area.fileOverloaded ? "" : decodeText(bytes.subarray(108, 236)),
      options: area.options,
    },
  };
}

/**
 * The message as bytes, 300 at least and no longer than a client takes that announced `maxSize` (option 57).
 * `omitted` lists the codes of the options there was no room for: the last of `knownOptions` go first, 82 never.
 */
export function encodePacket(
  packet: DhcpPacket,
  maxSize = minMessageSize,
): { bytes: Uint8Array; omitted: number[] } {
  // Some firmware sends option 57 as 65280 or 0: neither is taken at its word.
  const limit = Math.min(Math.max(maxSize, minMessageSize), maxMessageSize) - ipAndUdp;
  const bytes = new Uint8Array(limit);
  const view = new DataView(bytes.buffer);
  bytes[0] = packet.op === "request" ? 1 : 2;
  bytes[1] = packet.htype;
  bytes[2] = packet.chaddr.length;
  bytes[3] = packet.hops;
  view.setUint32(4, packet.xid);
  view.setUint16(8, packet.secs);
  view.setUint16(10, packet.broadcast ? 0x8000 : 0);
  bytes.set(ipv4Bytes(packet.ciaddr), 12);
  bytes.set(ipv4Bytes(packet.yiaddr), 16);
  bytes.set(ipv4Bytes(packet.siaddr), 20);
  bytes.set(ipv4Bytes(packet.giaddr), 24);
  bytes.set(packet.chaddr.subarray(0, 16), 28);
  // Both fields end in a NUL, so the last byte is never text.
  bytes.set(encodeText(packet.sname).subarray(0, 63), 44);
  bytes.set(encodeText(packet.file).subarray(0, 127), 108);
  view.setUint32(headerLength, cookie);
  const { end, omitted } = encodeOptions(packet.options, bytes, headerLength + 4);
  return { bytes: bytes.subarray(0, Math.max(end, minLength)), omitted };
}
