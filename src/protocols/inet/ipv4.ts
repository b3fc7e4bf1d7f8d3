declare const brand: unique symbol;
/** An IPv4 address as an unsigned 32-bit number, so that ranges and masks are arithmetic. */
export type Ipv4 = number & { readonly [brand]: "Ipv4" };

const dotted = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

/** Reads `10.0.0.1`; `undefined` for anything else, leading zeros included (some parsers read them as octal). */
export function readIpv4(text: string): Ipv4 | undefined {
  const found = dotted.exec(text);
  if (!found) return undefined;
  let value = 0;
  for (const part of found.slice(1)) {
    const octet = Number(part);
    if (octet > 255 || (part.length > 1 && part.startsWith("0"))) return undefined;
    value = value * 256 + octet;
  }
  return toIpv4(value);
}

export function formatIpv4(address: Ipv4): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** The low 32 bits of a number as an address. */
export function toIpv4(value: number): Ipv4 {
  // checked: >>> 0 leaves an unsigned 32-bit number, which is all an Ipv4 is
  return (value >>> 0) as Ipv4;
}

/** Four bytes, network order, as an address; the caller has checked that they are there. */
export function ipv4At(bytes: Uint8Array, offset: number): Ipv4 {
  return toIpv4(
    ((bytes[offset] ?? 0) << 24) |
      ((bytes[offset + 1] ?? 0) << 16) |
      ((bytes[offset + 2] ?? 0) << 8) |
      (bytes[offset + 3] ?? 0),
  );
}

export function ipv4Bytes(address: Ipv4): [number, number, number, number] {
  return [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255];
}

/** The mask of a prefix length: 24 → 255.255.255.0. */
export function maskOf(prefix: number): Ipv4 {
  return toIpv4(prefix <= 0 ? 0 : 0xffffffff << (32 - prefix));
}

export function networkOf(address: Ipv4, prefix: number): Ipv4 {
  return toIpv4(address & maskOf(prefix));
}

export function broadcastOf(address: Ipv4, prefix: number): Ipv4 {
  return toIpv4(address | ~maskOf(prefix));
}

/** 0.0.0.0: no address yet, or none that matters. */
export const unspecified: Ipv4 = toIpv4(0);
/** 255.255.255.255: everyone on this wire. */
export const everyone: Ipv4 = toIpv4(0xffffffff);
