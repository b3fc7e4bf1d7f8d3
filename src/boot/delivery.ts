import type { Mac } from "../platform/mac.ts";
import type { DhcpPacket } from "../protocols/dhcp4/packet.ts";
import { everyone, type Ipv4 } from "../protocols/inet/ipv4.ts";

/** Where an answer goes. `link`: to an address its holder does not answer ARP for yet, so straight to the MAC. */
export type Destination =
  | { kind: "udp"; address: Ipv4; port: number }
  | { kind: "link"; mac: Mac; address: Ipv4; port: number };

const serverPort = 67;
const clientPort = 68;

/** RFC 2131 §4.1. `from` is where the request came from; it matters on 4011 only. */
export function decideDestination(
  request: DhcpPacket,
  reply: DhcpPacket,
  mac: Mac,
  port: 67 | 4011,
  from: { address: Ipv4; port: number },
): Destination {
  // A client asks on 4011 from the address it was given, from port 68 or 4011 as its firmware likes.
  if (port === 4011)
    return { kind: "udp", address: from.address === 0 ? everyone : from.address, port: from.port };
  if (request.giaddr !== 0) return { kind: "udp", address: request.giaddr, port: serverPort };
  if (reply.options.messageType === "DHCPNAK") return { kind: "udp", address: everyone, port: clientPort };
  if (request.ciaddr !== 0) return { kind: "udp", address: request.ciaddr, port: clientPort };
  if (request.broadcast || reply.yiaddr === 0) return { kind: "udp", address: everyone, port: clientPort };
  return { kind: "link", mac, address: reply.yiaddr, port: clientPort };
}
