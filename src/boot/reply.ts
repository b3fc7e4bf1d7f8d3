import type { DhcpOptions } from "../protocols/dhcp4/options.ts";
import type { DhcpPacket } from "../protocols/dhcp4/packet.ts";
import { broadcastOf, formatIpv4, type Ipv4, maskOf, unspecified } from "../protocols/inet/ipv4.ts";
import type { BootClient } from "./classify.ts";
import type { Subnet } from "./dhcp-settings.ts";

/** PXE 2.1 table 2-1, 43.6 bit 3: take the boot file name of this offer and ask nobody else. */
const justBootTheFile = 8;

/** What a boot client is told about booting. */
export interface BootAnswer {
  /** A TFTP name, or a URL. */
  file: string | undefined;
  /** Say 43.6 = 8. */
  discoveryControl: boolean;
  /** The offer carries no address: it has to look like a proxy's to iPXE too. */
  proxy: boolean;
}

/** The frame of every answer: who it is for and whom it comes from (RFC 2131 §4.3.1, table 3). */
export function buildReply(
  request: DhcpPacket,
  server: Ipv4,
  fields: Partial<Pick<DhcpPacket, "ciaddr" | "yiaddr" | "siaddr" | "file" | "broadcast">>,
  options: DhcpOptions,
): DhcpPacket {
  const { clientIdentifier, relayAgentInfo } = request.options;
  return {
    op: "reply",
    htype: request.htype,
    hops: 0,
    xid: request.xid,
    secs: 0,
    broadcast: request.broadcast,
    ciaddr: unspecified,
    yiaddr: unspecified,
    siaddr: unspecified,
    giaddr: request.giaddr,
    chaddr: request.chaddr,
    sname: "",
    file: "",
    ...fields,
    options: {
      serverIdentifier: server,
      ...options,
      // RFC 6842 §3: the client identifier goes back; RFC 3046 §2.2: so does option 82.
      ...(clientIdentifier && { clientIdentifier }),
      ...(relayAgentInfo && { relayAgentInfo }),
    },
  };
}

/** What a subnet tells every host on it. `leaseTime` in seconds; `undefined` for DHCPINFORM, which has no lease. */
export function networkOptions(
  subnet: Subnet,
  leaseTime: number | undefined,
  hostname?: string,
): DhcpOptions {
  return {
    subnetMask: maskOf(subnet.prefix),
    broadcastAddress: broadcastOf(subnet.network, subnet.prefix),
    ...(subnet.gateway !== undefined && { routers: [subnet.gateway] }),
    ...(subnet.dns.length > 0 && { dnsServers: [...subnet.dns] }),
    ...(subnet.domain !== undefined && { domainName: subnet.domain }),
    ...(hostname !== undefined && { hostname }),
    // RFC 2131 §4.4.5: T1 at half the lease, T2 at seven eighths.
    ...(leaseTime !== undefined && {
      leaseTime,
      renewalTime: Math.floor(leaseTime / 2),
      rebindingTime: Math.floor((leaseTime * 7) / 8),
    }),
  };
}

/** The header fields and options that make a client boot from us; empty for one that does not boot. */
export function bootFields(
  request: DhcpPacket,
  client: BootClient,
  server: Ipv4,
  answer: BootAnswer,
): { fields: Partial<Pick<DhcpPacket, "siaddr" | "file">>; options: DhcpOptions } {
  const { file } = answer;
  const { clientMachineId } = request.options;
  if (client.kind === "plain") return { fields: {}, options: {} };
  const raspberryPi = client.platform === "raspberry-pi" && client.kind === "pxe";
  if (file === undefined && !raspberryPi) return { fields: {}, options: {} };
  return {
    fields: {
      // EDK2 looks at the server list in 43, then here, then in option 54, never in 66.
      siaddr: server,
      // U-Boot reads only this field, EDK2 prefers option 67. A name that would be cut short is left to 67.
      ...(file !== undefined && file.length < 128 && { file }),
    },
    options: {
      ...(file !== undefined && { bootFileName: file }),
      // A Raspberry Pi 4 looks nowhere else.
      ...(client.kind === "pxe" && { tftpServerName: formatIpv4(server) }),
      // RFC 4578 §2.3: exactly as it came, or not at all.
      ...(clientMachineId && { clientMachineId }),
      ...classOptions(request, client, answer, raspberryPi),
    },
  };
}

function classOptions(
  request: DhcpPacket,
  client: BootClient,
  { discoveryControl, proxy }: BootAnswer,
  raspberryPi: boolean,
): DhcpOptions {
  // Without this class EDK2's HTTP Boot drops the offer.
  if (client.kind === "http") return { vendorClass: "HTTPClient" };
  // With an address in the offer iPXE needs no PXE options, only to be told that no proxy offer will come.
  if (client.kind === "ipxe" && !proxy) return { ipxe: { noProxyDhcp: true } };
  const bootItem = request.options.pxe?.bootItem;
  const pxe = raspberryPi
    ? // The boot ROM of a Pi 3 looks for this text, three blanks included.
      {
        discoveryControl: 3,
        menuPrompt: { timeout: 0, prompt: "PXE" },
        bootMenu: [{ type: 0, description: "Raspberry Pi Boot   " }],
      }
    : {
        ...(discoveryControl && { discoveryControl: justBootTheFile }),
        ...(bootItem && { bootItem }),
      };
  return { vendorClass: "PXEClient", ...(Object.keys(pxe).length > 0 && { pxe }) };
}
