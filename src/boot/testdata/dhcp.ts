import { parseMac } from "../../platform/mac.ts";
import { type Ipv4, readIpv4, unspecified } from "../../protocols/inet/ipv4.ts";
import type { DhcpOptions } from "../../protocols/dhcp4/options.ts";
import type { DhcpPacket } from "../../protocols/dhcp4/packet.ts";
import { classify } from "../classify.ts";
import type { Subnet } from "../dhcp-settings.ts";
import { decideNbp } from "../nbp.ts";
import type { Asked } from "../offer.ts";

export function ip(text: string): Ipv4 {
  const address = readIpv4(text);
  if (address === undefined) throw new Error(`not an address: ${text}`);
  return address;
}

export const mac = (last: number) => parseMac(`52:54:00:00:00:${last.toString(16).padStart(2, "0")}`);
export const server = ip("10.0.0.1");
export const machineId = Uint8Array.from({ length: 17 }, (_, n) => n);

/** Options as these clients send them. */
export const clients = {
  bios: { vendorClass: "PXEClient:Arch:00000:UNDI:002001", clientArch: [0], clientMachineId: machineId },
  uefi: { vendorClass: "PXEClient:Arch:00007:UNDI:003000", clientArch: [7], clientMachineId: machineId },
  arm64: { vendorClass: "PXEClient:Arch:00011:UNDI:003000", clientArch: [11], clientMachineId: machineId },
  http: { vendorClass: "HTTPClient:Arch:00016:UNDI:003000", clientArch: [16], clientMachineId: machineId },
  ipxe: { vendorClass: "PXEClient:Arch:00007:UNDI:003010", clientArch: [7], userClasses: ["iPXE"] },
  plain: { vendorClass: "udhcp 1.36" },
} as const satisfies Record<string, Omit<DhcpOptions, "clientArch" | "userClasses"> & { clientArch?: readonly number[]; userClasses?: readonly string[] }>;

export function request(
  messageType: NonNullable<DhcpOptions["messageType"]>,
  client: keyof typeof clients | DhcpOptions = "plain",
  options: DhcpOptions = {},
  fields: Partial<DhcpPacket> = {},
): DhcpPacket {
  const own: DhcpOptions = typeof client === "string" ? structuredClone<DhcpOptions>(clients[client] as DhcpOptions) : client;
  return {
    op: "request",
    htype: 1,
    hops: 0,
    xid: 7,
    secs: 0,
    broadcast: false,
    ciaddr: unspecified,
    yiaddr: unspecified,
    siaddr: unspecified,
    giaddr: unspecified,
    chaddr: Uint8Array.of(0x52, 0x54, 0, 0, 0, 1),
    sname: "",
    file: "",
    ...fields,
    options: { messageType, ...own, ...options },
  };
}

/** The request as the decisions get it, from the MAC ending in `last`. */
export function asked(packet: DhcpPacket, last = 1, discoveryControl = true): Asked {
  const client = classify(mac(last), packet.options);
  const file = decideNbp(client, { server: "10.0.0.1", httpPort: 8080, program: "ipxe" });
  return { request: packet, mac: mac(last), client, server, boot: { file, discoveryControl } };
}

export function subnet(changes: Partial<Subnet> = {}): Subnet {
  return {
    network: ip("10.0.0.0"),
    prefix: 24,
    first: ip("10.0.0.100"),
    last: ip("10.0.0.102"),
    gateway: ip("10.0.0.254"),
    dns: [ip("10.0.0.53")],
    domain: "lab.example",
    leaseTime: 3600,
    reservations: new Map(),
    ...changes,
  };
}
