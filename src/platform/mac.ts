import { AppError } from "./errors.ts";

declare const brand: unique symbol;
/** An Ethernet address in its one spelling: lower case, colons (`52:54:00:12:34:56`). */
export type Mac = string & { readonly [brand]: "Mac" };

const spelled =
  /^([0-9a-f]{2})([:-]?)([0-9a-f]{2})\2([0-9a-f]{2})\2([0-9a-f]{2})\2([0-9a-f]{2})\2([0-9a-f]{2})$/;

/** Reads `aa:bb:…`, `aa-bb-…` or `aabb…`, in either case; `undefined` for anything else. */
export function readMac(text: string): Mac | undefined {
  // As nearly everyone writes it.
  if (isMac(text)) return text;
  const found = spelled.exec(text.trim().toLowerCase());
  if (!found) return undefined;
  const mac = [found[1], found[3], found[4], found[5], found[6], found[7]].join(":");
  return isMac(mac) ? mac : undefined;
}

/** As `readMac`, but throws `invalid`. */
export function parseMac(text: string): Mac {
  const mac = readMac(text);
  if (mac === undefined) {
    throw new AppError("invalid", `'${text.slice(0, 40)}' is not a MAC address`, {
      hint: "write six hexadecimal bytes, for example 52:54:00:12:34:56",
    });
  }
  return mac;
}

/** The hardware address of a packet; `undefined` unless it is six bytes. */
export function macFromBytes(bytes: Uint8Array): Mac | undefined {
  if (bytes.length !== 6) return undefined;
  const mac = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
  return isMac(mac) ? mac : undefined;
}

export function macToBytes(mac: Mac): Uint8Array {
  return Uint8Array.from(mac.split(":"), (byte) => Number.parseInt(byte, 16));
}

function isMac(text: string): text is Mac {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(text);
}
