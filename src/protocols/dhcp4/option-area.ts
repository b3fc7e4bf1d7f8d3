import { type DhcpOptions, type KnownOption, knownOptions } from "./options.ts";

export interface DecodedOptions {
  options: DhcpOptions;
  fileOverloaded: boolean;
  snameOverloaded: boolean;
  faults: string[];
}

/** Where the areas lie in a message: RFC 2131 §2, figure 1. */
const optionsStart = 240;
const sname = { start: 44, end: 108 };
const file = { start: 108, end: 236 };

const byCode: ReadonlyMap<number, readonly KnownOption[]> = Map.groupBy(
  knownOptions,
  (option) => option.code,
);

/** Reads the options of a message of 240 bytes or more, those in `file` and `sname` too (option 52). Never throws. */
export function decodeOptions(message: Uint8Array): DecodedOptions {
  const faults: string[] = [];
  const raw = new Map<number, Uint8Array>();
  scan(message.subarray(optionsStart), raw, faults);
  // Option 52, RFC 2132 §9.3: 1 = file, 2 = sname, 3 = both; read in that order (RFC 3396 §5).
  const overload = raw.get(52);
  const bits = overload?.length === 1 ? (overload[0] ?? 0) : 0;
  const fileOverloaded = (bits & 1) !== 0;
  const snameOverloaded = (bits & 2) !== 0;
  if (fileOverloaded) scan(message.subarray(file.start, file.end), raw, faults);
  if (snameOverloaded) scan(message.subarray(sname.start, sname.end), raw, faults);
  raw.delete(52);

  const options: DhcpOptions = {};
  const other = new Map<number, Uint8Array>();
  for (const [code, bytes] of raw) {
    const known = byCode.get(code);
    if (!known) other.set(code, bytes);
    else if (!known.some((option) => option.read(bytes, options)))
      faults.push(`option ${code}: ${bytes.length} bytes`);
  }
  if (other.size > 0) options.other = other;
  return { options, fileOverloaded, snameOverloaded, faults };
}

/** RFC 3396 §7: an option that comes again is the continuation of the first. */
function scan(area: Uint8Array, into: Map<number, Uint8Array>, faults: string[]): void {
  const parts = new Map<number, Uint8Array[]>();
  let at = 0;
  while (at < area.length) {
    const code = area[at] ?? 255;
    if (code === 255) break;
    if (code === 0) {
      at++;
      continue;
    }
    const end = at + 2 + (area[at + 1] ?? 0);
    if (at + 1 >= area.length || end > area.length) {
      faults.push(`option ${code} runs past the end`);
      break;
    }
    const earlier = parts.get(code);
    if (earlier) earlier.push(area.subarray(at + 2, end));
    else parts.set(code, [area.subarray(at + 2, end)]);
    at = end;
  }
  for (const [code, pieces] of parts) {
    const before = into.get(code);
    into.set(code, joined(before ? [before, ...pieces] : pieces));
  }
}

/** A copy: the datagram's buffer may be used again before the packet is forgotten. */
function joined(pieces: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

/** Writes the options from `start`, ends them with 255, and says where that was and what found no room. */
export function encodeOptions(
  options: DhcpOptions,
  into: Uint8Array,
  start: number,
): { end: number; omitted: number[] } {
  const omitted: number[] = [];
  // RFC 3046 §2.2: 82 goes back whole, so its room is kept from the start.
  const relay = options.relayAgentInfo?.raw;
  const limit = into.length - 1 - (relay ? sizeOnWire(relay) : 0);
  let at = start;
  const put = (code: number, value: Uint8Array, upTo: number) => {
    if (at + sizeOnWire(value) > upTo) {
      omitted.push(code);
      return;
    }
    // RFC 3396 §5: longer than 255 bytes is split over options of the same code.
    let from = 0;
    do {
      const piece = value.subarray(from, from + 255);
      into[at] = code;
      into[at + 1] = piece.length;
      into.set(piece, at + 2);
      at += 2 + piece.length;
      from += 255;
    } while (from < value.length);
  };
  for (const option of knownOptions) {
    if (option.code === 82) continue;
    const value = option.write(options);
    if (value) put(option.code, value, limit);
  }
  for (const [code, value] of options.other ?? []) put(code, value, limit);
  if (relay) put(82, relay, into.length - 1);
  into[at] = 255;
  return { end: at + 1, omitted };
}

const sizeOnWire = (value: Uint8Array) => value.length + 2 * Math.max(1, Math.ceil(value.length / 255));
