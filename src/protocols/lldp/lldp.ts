/** What a switch says about itself in one LLDPDU (IEEE 802.1AB-2016, clause 8). */
export interface LldpNeighbour {
  chassisId?: string;
  portId?: string;
  portDescription?: string;
  systemName?: string;
  systemDescription?: string;
  managementAddress?: string;
  /** Port VLAN id, IEEE 802.1 organisational TLV, subtype 1. */
  portVlan?: number;
  /** Seconds the neighbour is to be believed. */
  ttlSeconds?: number;
}

export type LldpResult = { kind: "neighbour"; neighbour: LldpNeighbour } | { kind: "ignore"; reason: string };

const ethernetHeaderLength = 14;
const etherTypeLldp = 0x88cc;
const etherTypeVlan = 0x8100;
const textLimit = 256;

const tlv = {
  end: 0,
  chassisId: 1,
  portId: 2,
  ttl: 3,
  portDescription: 4,
  systemName: 5,
  systemDescription: 6,
  managementAddress: 8,
  organisational: 127,
} as const;

/** Decodes an Ethernet frame that carries an LLDPDU; a frame cut short keeps the TLVs that are whole. */
export function decodeLldpFrame(frame: Uint8Array): LldpResult {
  if (frame.length < ethernetHeaderLength)
    return { kind: "ignore", reason: "shorter than an Ethernet header" };
  let at = 12;
  if (uint16(frame, at) === etherTypeVlan) at += 4;
  if (at + 2 > frame.length || uint16(frame, at) !== etherTypeLldp) {
    return { kind: "ignore", reason: "not an LLDP frame" };
  }
  at += 2;
  const neighbour: LldpNeighbour = {};
  while (at + 2 <= frame.length) {
    const head = uint16(frame, at);
    const type = head >> 9;
    const end = at + 2 + (head & 0x1ff);
    if (type === tlv.end || end > frame.length) break;
    readTlv(neighbour, type, frame.subarray(at + 2, end));
    at = end;
  }
  if (neighbour.chassisId === undefined || neighbour.portId === undefined) {
    return { kind: "ignore", reason: "without a chassis id or a port id" };
  }
  return { kind: "neighbour", neighbour };
}

function readTlv(neighbour: LldpNeighbour, type: number, value: Uint8Array): void {
  switch (type) {
    case tlv.chassisId:
      assign(neighbour, "chassisId", identifier(value, { mac: 4, address: 5 }));
      return;
    case tlv.portId:
      assign(neighbour, "portId", identifier(value, { mac: 3, address: 4 }));
      return;
    case tlv.ttl:
      if (value.length >= 2) neighbour.ttlSeconds = uint16(value, 0);
      return;
    case tlv.portDescription:
      assign(neighbour, "portDescription", text(value));
      return;
    case tlv.systemName:
      assign(neighbour, "systemName", text(value));
      return;
    case tlv.systemDescription:
      assign(neighbour, "systemDescription", text(value));
      return;
    case tlv.managementAddress:
      assign(neighbour, "managementAddress", address(value.subarray(1, 1 + (value[0] ?? 0))));
      return;
    case tlv.organisational:
      // IEEE 802.1 OUI 00-80-C2, subtype 1: port VLAN id
      if (value.length >= 6 && value[0] === 0 && value[1] === 0x80 && value[2] === 0xc2 && value[3] === 1) {
        neighbour.portVlan = uint16(value, 4);
      }
  }
}

/** Chassis and port ids: a subtype byte, then a MAC, a network address or text (8.5.2.2, 8.5.3.2). */
function identifier(value: Uint8Array, subtypes: { mac: number; address: number }): string | undefined {
  const body = value.subarray(1);
  if (value[0] === subtypes.mac && body.length === 6) return hexBytes(body, ":");
  if (value[0] === subtypes.address) return address(body);
  return text(body);
}

/** An IANA address family byte (1 IPv4, 2 IPv6), then the address. */
function address(value: Uint8Array): string | undefined {
  const body = value.subarray(1);
  if (value[0] === 1 && body.length === 4) return body.join(".");
  if (value[0] === 2 && body.length === 16) {
    const groups = Array.from({ length: 8 }, (_, group) => uint16(body, group * 2).toString(16));
    return groups.join(":");
  }
  return undefined;
}

function text(value: Uint8Array): string | undefined {
  let out = "";
  for (const char of new TextDecoder().decode(value).slice(0, textLimit)) {
    out += char < " " || char === "\u007f" ? " " : char;
  }
  return out.trim() || undefined;
}

function assign<Key extends keyof LldpNeighbour>(
  neighbour: LldpNeighbour,
  key: Key,
  value: LldpNeighbour[Key] | undefined,
): void {
  if (value !== undefined) neighbour[key] = value;
}

const uint16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

const hexBytes = (bytes: Uint8Array, separator: string): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(separator);
