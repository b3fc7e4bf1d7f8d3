import { formatIpv4, type Ipv4 } from "../inet/ipv4.ts";
import { knownOptions } from "./options.ts";
import type { DhcpPacket } from "./packet.ts";
import { quote } from "./text.ts";

/** The message in one line for people: type, who, header fields that say something, then each option. */
export function summary(packet: DhcpPacket): string {
  const { options } = packet;
  const chaddr = Array.from(packet.chaddr, (byte) => byte.toString(16).padStart(2, "0")).join(":");
  const parts = [options.messageType ?? "BOOTP", `xid=${packet.xid.toString(16).padStart(8, "0")}`, chaddr];
  const address = (name: string, value: Ipv4) => {
    if (value !== 0) parts.push(`${name}=${formatIpv4(value)}`);
  };
  if (packet.secs !== 0) parts.push(`secs=${packet.secs}`);
  if (packet.hops !== 0) parts.push(`hops=${packet.hops}`);
  if (packet.broadcast) parts.push("broadcast");
  address("ciaddr", packet.ciaddr);
  address("yiaddr", packet.yiaddr);
  address("siaddr", packet.siaddr);
  address("giaddr", packet.giaddr);
  if (packet.sname !== "") parts.push(`sname=${quote(packet.sname)}`);
  if (packet.file !== "") parts.push(`file=${quote(packet.file)}`);
  const described = knownOptions
    .filter((option) => option.code !== 53)
    .map((option) => option.describe(options))
    .filter((text) => text !== undefined);
  const others = [...(options.other?.keys() ?? [])].sort((a, b) => a - b);
  if (others.length > 0) described.push(`other ${others.join(",")}`);
  return described.length > 0 ? `${parts.join(" ")} | ${described.join(" · ")}` : parts.join(" ");
}
