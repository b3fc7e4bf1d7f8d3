/** Operation codes: RFC 1350 §5, RFC 2347. */
export const opcode = { RRQ: 1, WRQ: 2, DATA: 3, ACK: 4, ERROR: 5, OACK: 6 } as const;

/** Error codes: RFC 1350 appendix, RFC 2347 (8). */
export const errorCode = {
  undefined: 0,
  fileNotFound: 1,
  accessViolation: 2,
  diskFull: 3,
  illegalOperation: 4,
  unknownTransferId: 5,
  fileExists: 6,
  noSuchUser: 7,
  optionRefused: 8,
} as const;

export type Mode = "octet" | "netascii";

/** Options in the order and spelling they came in; names compare without case (RFC 2347). */
export type OptionList = readonly (readonly [name: string, value: string])[];

export interface RequestPacket {
  kind: "RRQ" | "WRQ";
  filename: string;
  mode: Mode;
  options: OptionList;
}

export type Packet =
  | RequestPacket
  | { kind: "DATA"; block: number; bytes: Uint8Array }
  | { kind: "ACK"; block: number }
  | { kind: "ERROR"; code: number; message: string }
  | { kind: "OACK"; options: OptionList };

export type Decoded = Packet | { kind: "ignore"; reason: string };

/** Firmware asks for four options at the most; the rest of a longer list is not read. */
const maxOptions = 16;
/** Above this a request is not a boot file's name any more. RFC 2347 allows 512 bytes in all. */
const maxRequestBytes = 1024;

const utf8 = new TextDecoder();
const toUtf8 = new TextEncoder();

/** Any datagram as a packet, or the reason it is none. Never throws; `bytes` is a view, not a copy. */
export function decode(datagram: Uint8Array): Decoded {
  if (datagram.length < 4) return { kind: "ignore", reason: "shorter than any packet" };
  const code = u16(datagram, 0);
  switch (code) {
    case opcode.ACK:
      return { kind: "ACK", block: u16(datagram, 2) };
    case opcode.DATA:
      return { kind: "DATA", block: u16(datagram, 2), bytes: datagram.subarray(4) };
    case opcode.RRQ:
      return decodeRequest("RRQ", datagram);
    case opcode.WRQ:
      return decodeRequest("WRQ", datagram);
    case opcode.ERROR:
      return { kind: "ERROR", code: u16(datagram, 2), message: textUpToNul(datagram, 4) };
    case opcode.OACK:
      return { kind: "OACK", options: optionsFrom(strings(datagram, 2), 0) };
    default:
      return { kind: "ignore", reason: `unknown opcode ${code}` };
  }
}

function decodeRequest(kind: "RRQ" | "WRQ", datagram: Uint8Array): Decoded {
  if (datagram.length > maxRequestBytes) return { kind: "ignore", reason: "request too long" };
  const fields = strings(datagram, 2);
  const [filename, mode] = fields;
  if (filename === undefined || mode === undefined) return { kind: "ignore", reason: "request cut short" };
  if (filename === "") return { kind: "ignore", reason: "request without a file name" };
  const lower = mode.toLowerCase();
  if (lower !== "octet" && lower !== "netascii")
    return { kind: "ignore", reason: "mode neither octet nor netascii" };
  return { kind, filename, mode: lower, options: optionsFrom(fields, 2) };
}

/** NUL-terminated strings from `offset` on; an unterminated rest is dropped. */
function strings(datagram: Uint8Array, offset: number): string[] {
  const found: string[] = [];
  let start = offset;
  while (found.length < 2 + 2 * maxOptions) {
    const end = datagram.indexOf(0, start);
    if (end === -1) break;
    found.push(utf8.decode(datagram.subarray(start, end)));
    start = end + 1;
  }
  return found;
}

/** Name and value pairs; the padding some ROMs append reads as empty names and is skipped. */
function optionsFrom(fields: string[], first: number): OptionList {
  const options: [string, string][] = [];
  for (let index = first; index + 1 < fields.length; index += 2) {
    const name = fields[index];
    const value = fields[index + 1];
    if (name && value !== undefined) options.push([name, value]);
  }
  return options;
}

function textUpToNul(datagram: Uint8Array, offset: number): string {
  const end = datagram.indexOf(0, offset);
  // some clients leave out the final NUL of an ERROR
  return utf8.decode(datagram.subarray(offset, end === -1 ? undefined : end));
}

function u16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

export function encode(packet: Packet): Uint8Array {
  switch (packet.kind) {
    case "ACK":
      return header(opcode.ACK, packet.block, 0);
    case "DATA": {
      const out = header(opcode.DATA, packet.block, packet.bytes.length);
      out.set(packet.bytes, 4);
      return out;
    }
    case "ERROR": {
      const text = toUtf8.encode(packet.message);
      const out = header(opcode.ERROR, packet.code, text.length + 1);
      out.set(text, 4);
      return out;
    }
    case "OACK":
      return joined(opcode.OACK, packet.options.flat());
    case "RRQ":
    case "WRQ":
      return joined(opcode[packet.kind], [packet.filename, packet.mode, ...packet.options.flat()]);
  }
}

function header(code: number, second: number, rest: number): Uint8Array {
  const out = new Uint8Array(4 + rest);
  out[1] = code;
  out[2] = second >> 8;
  out[3] = second;
  return out;
}

function joined(code: number, fields: readonly string[]): Uint8Array {
  const text = toUtf8.encode(fields.map((field) => `${field}\0`).join(""));
  const out = new Uint8Array(2 + text.length);
  out[1] = code;
  out.set(text, 2);
  return out;
}
