import { formatIpv4, type Ipv4, ipv4At, ipv4Bytes } from "../inet/ipv4.ts";
import { decodeIpxe, encodeIpxe, formatIpxe, type IpxeOptions } from "./option-ipxe.ts";
import { decodePxe, encodePxe, formatPxe, type PxeOptions } from "./option-pxe.ts";
import { decodeRelay, encodeRelay, formatRelay, type RelayAgentInfo } from "./option-relay.ts";
import { decodeUserClass, encodeUserClass } from "./option-user-class.ts";
import { decodeText, encodeText, quote } from "./text.ts";

/** RFC 2132 §9.6, option 53. */
export const messageTypes = {
  1: "DHCPDISCOVER",
  2: "DHCPOFFER",
  3: "DHCPREQUEST",
  4: "DHCPDECLINE",
  5: "DHCPACK",
  6: "DHCPNAK",
  7: "DHCPRELEASE",
  8: "DHCPINFORM",
} as const;
export type MessageType = (typeof messageTypes)[keyof typeof messageTypes];

/** Options as typed values. One that is absent, or that could not be read, is not there. */
export interface DhcpOptions {
  subnetMask?: Ipv4; // 1
  routers?: Ipv4[]; // 3
  dnsServers?: Ipv4[]; // 6
  hostname?: string; // 12
  domainName?: string; // 15
  broadcastAddress?: Ipv4; // 28
  /** Option 43 as PXE writes it; for another vendor's 43 see `vendorSpecific`. */
  pxe?: PxeOptions; // 43
  /** Option 43 where it is not PXE's: opaque. */
  vendorSpecific?: Uint8Array; // 43
  requestedAddress?: Ipv4; // 50
  /** Seconds. */
  leaseTime?: number; // 51
  messageType?: MessageType; // 53
  serverIdentifier?: Ipv4; // 54
  parameterRequestList?: number[]; // 55
  message?: string; // 56
  /** Bytes of the whole IP packet the client takes. */
  maxMessageSize?: number; // 57
  /** T1, seconds. */
  renewalTime?: number; // 58
  /** T2, seconds. */
  rebindingTime?: number; // 59
  vendorClass?: string; // 60
  clientIdentifier?: Uint8Array; // 61
  tftpServerName?: string; // 66
  bootFileName?: string; // 67
  /** RFC 3004 classes; iPXE's raw four bytes read as one class. */
  userClasses?: string[]; // 77
  relayAgentInfo?: RelayAgentInfo; // 82
  clientArch?: number[]; // 93, RFC 4578
  clientInterface?: { type: number; major: number; minor: number }; // 94, RFC 4578
  clientMachineId?: Uint8Array; // 97, RFC 4578: a type byte (0), then the UUID
  ipxe?: IpxeOptions; // 175
  /** Everything else, by code, undecoded. */
  other?: Map<number, Uint8Array>;
}

interface OptionCodec<Name extends keyof DhcpOptions> {
  code: number;
  name: Name;
  label: string;
  /** `undefined`: these bytes are not this option. */
  decode(bytes: Uint8Array): DhcpOptions[Name] | undefined;
  encode(value: NonNullable<DhcpOptions[Name]>): Uint8Array;
  format(value: NonNullable<DhcpOptions[Name]>): string;
}

/** One option with its types sealed in, so that codecs of different types fit in one table. */
export interface KnownOption {
  code: number;
  /** False when the bytes are not this option. */
  read(bytes: Uint8Array, into: DhcpOptions): boolean;
  write(from: DhcpOptions): Uint8Array | undefined;
  describe(from: DhcpOptions): string | undefined;
}

function option<Name extends keyof DhcpOptions>(codec: OptionCodec<Name>): KnownOption {
  return {
    code: codec.code,
    read(bytes, into) {
      const value = codec.decode(bytes);
      if (value === undefined) return false;
      into[codec.name] = value;
      return true;
    },
    write(from) {
      const value = from[codec.name];
      return value === undefined || value === null ? undefined : codec.encode(value);
    },
    describe(from) {
      const value = from[codec.name];
      return value === undefined || value === null ? undefined : `${codec.label} ${codec.format(value)}`;
    },
  };
}

const address = {
  decode: (bytes: Uint8Array) => (bytes.length === 4 ? ipv4At(bytes, 0) : undefined),
  encode: (value: Ipv4) => Uint8Array.from(ipv4Bytes(value)),
  format: formatIpv4,
};
const addresses = {
  decode(bytes: Uint8Array) {
    if (bytes.length === 0 || bytes.length % 4 !== 0) return undefined;
    return Array.from({ length: bytes.length / 4 }, (_, index) => ipv4At(bytes, index * 4));
  },
  encode: (value: Ipv4[]) => Uint8Array.from(value.flatMap(ipv4Bytes)),
  format: (value: Ipv4[]) => value.map(formatIpv4).join(","),
};
const text = {
  decode: (bytes: Uint8Array) => (bytes.length === 0 ? undefined : decodeText(bytes)),
  encode: encodeText,
  format: quote,
};
const seconds = {
  decode: (bytes: Uint8Array) => (bytes.length === 4 ? Number(ipv4At(bytes, 0)) : undefined),
  encode: (value: number) =>
    Uint8Array.of((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255),
  format: (value: number) => (value === 0xffffffff ? "for ever" : `${value}s`),
};
const uint16 = {
  decode: (bytes: Uint8Array) => (bytes.length === 2 ? ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0) : undefined),
  encode: (value: number) => Uint8Array.of((value >> 8) & 255, value & 255),
  format: String,
};
const opaque = {
  decode: (bytes: Uint8Array) => (bytes.length === 0 ? undefined : bytes),
  encode: (value: Uint8Array) => value,
  format: hex,
};

/**
 * In the order they are put on the wire: first what a client cannot do without, then what boots it,
 * last what it can miss when its message size is small. RFC 3046 §2.1: option 82 comes last of all.
 */
export const knownOptions: readonly KnownOption[] = [
  option({
    code: 53,
    name: "messageType",
    label: "type",
    decode: (bytes) => (bytes.length === 1 ? messageTypeOf(bytes[0] ?? 0) : undefined),
    encode: (value) => Uint8Array.of(codeOfType(value)),
    format: String,
  }),
  option({ code: 54, name: "serverIdentifier", label: "server", ...address }),
  option({ code: 51, name: "leaseTime", label: "lease", ...seconds }),
  option({ code: 1, name: "subnetMask", label: "mask", ...address }),
  option({ code: 50, name: "requestedAddress", label: "wants", ...address }),
  option({ code: 97, name: "clientMachineId", label: "uuid", ...opaque, format: formatMachineId }),
  option({ code: 60, name: "vendorClass", label: "class", ...text }),
  option({ code: 43, name: "pxe", label: "pxe", decode: decodePxe, encode: encodePxe, format: formatPxe }),
  option({ code: 43, name: "vendorSpecific", label: "vendor", ...opaque }),
  option({ code: 67, name: "bootFileName", label: "file", ...text }),
  option({ code: 66, name: "tftpServerName", label: "tftp", ...text }),
  option({
    code: 175,
    name: "ipxe",
    label: "ipxe",
    decode: decodeIpxe,
    encode: encodeIpxe,
    format: formatIpxe,
  }),
  option({ code: 3, name: "routers", label: "router", ...addresses }),
  option({ code: 6, name: "dnsServers", label: "dns", ...addresses }),
  option({ code: 12, name: "hostname", label: "host", ...text }),
  option({ code: 15, name: "domainName", label: "domain", ...text }),
  option({ code: 58, name: "renewalTime", label: "t1", ...seconds }),
  option({ code: 59, name: "rebindingTime", label: "t2", ...seconds }),
  option({ code: 28, name: "broadcastAddress", label: "broadcast", ...address }),
  option({ code: 56, name: "message", label: "says", ...text }),
  option({ code: 57, name: "maxMessageSize", label: "takes", ...uint16 }),
  option({
    code: 93,
    name: "clientArch",
    label: "arch",
    decode(bytes) {
      if (bytes.length === 0 || bytes.length % 2 !== 0) return undefined;
      return Array.from(
        { length: bytes.length / 2 },
        (_, n) => ((bytes[n * 2] ?? 0) << 8) | (bytes[n * 2 + 1] ?? 0),
      );
    },
    encode: (value) => Uint8Array.from(value.flatMap((arch) => [(arch >> 8) & 255, arch & 255])),
    format: (value) => value.join(","),
  }),
  option({
    code: 94,
    name: "clientInterface",
    label: "undi",
    decode: ({ length, 0: type = 0, 1: major = 0, 2: minor = 0 }) =>
      length === 3 ? { type, major, minor } : undefined,
    encode: (value) => Uint8Array.of(value.type, value.major, value.minor),
    format: (value) => `${value.type}.${value.major}.${value.minor}`,
  }),
  option({
    code: 77,
    name: "userClasses",
    label: "user-class",
    decode: decodeUserClass,
    encode: encodeUserClass,
    format: (value) => value.map(quote).join(","),
  }),
  option({ code: 61, name: "clientIdentifier", label: "client-id", ...opaque }),
  option({
    code: 55,
    name: "parameterRequestList",
    label: "asks",
    decode: (bytes) => Array.from(bytes),
    encode: (value) => Uint8Array.from(value),
    format: (value) => value.join(","),
  }),
  option({
    code: 82,
    name: "relayAgentInfo",
    label: "relay",
    decode: decodeRelay,
    encode: encodeRelay,
    format: formatRelay,
  }),
];

function messageTypeOf(code: number): MessageType | undefined {
  return Object.entries(messageTypes).find(([key]) => Number(key) === code)?.[1];
}

function codeOfType(type: MessageType): number {
  return Number(Object.entries(messageTypes).find(([, name]) => name === type)?.[0]);
}

/** RFC 4578 §2.3. PXE machines send the UUID in the byte order their SMBIOS has it; shown as it came. */
function formatMachineId(bytes: Uint8Array): string {
  if (bytes.length !== 17) return hex(bytes);
  const digits = hex(bytes.subarray(1));
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20),
  ].join("-");
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
