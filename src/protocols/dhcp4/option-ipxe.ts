import { decodeSubOptions } from "./option-pxe.ts";

/** Option 175: options of iPXE's own, encapsulated (ipxe.org/howto/dhcpd). */
export interface IpxeOptions {
  /** 175.176: 1 tells iPXE not to wait two seconds for a proxy offer. */
  noProxyDhcp?: boolean;
  /** Codes of the features this build announces (19 = HTTP, 36 = EFI …), with their version numbers. */
  features?: Map<number, number>;
  /** Any other sub-option, undecoded. */
  other?: Map<number, Uint8Array>;
}

export const ipxeFeature = { http: 19, https: 20, tftp: 21, bzimage: 24, efi: 36 } as const;

/** Features are numbered 16 to 47 and hold one version byte each. */
const isFeature = (code: number, value: Uint8Array) => code >= 16 && code <= 47 && value.length === 1;

/** `undefined` where the bytes are no list of sub-options. */
export function decodeIpxe(bytes: Uint8Array): IpxeOptions | undefined {
  const subs = decodeSubOptions(bytes);
  if (!subs) return undefined;
  const ipxe: IpxeOptions = {};
  const features = new Map<number, number>();
  const other = new Map<number, Uint8Array>();
  for (const [code, value] of subs) {
    if (code === 176 && value.length === 1) ipxe.noProxyDhcp = value[0] === 1;
    else if (isFeature(code, value)) features.set(code, value[0] ?? 0);
    else other.set(code, value);
  }
  if (features.size > 0) ipxe.features = features;
  if (other.size > 0) ipxe.other = other;
  return ipxe;
}

export function encodeIpxe(ipxe: IpxeOptions): Uint8Array {
  const out: number[] = [];
  if (ipxe.noProxyDhcp !== undefined) out.push(176, 1, ipxe.noProxyDhcp ? 1 : 0);
  for (const [code, version] of ipxe.features ?? []) out.push(code, 1, version);
  for (const [code, value] of ipxe.other ?? [])
    out.push(code, Math.min(value.length, 255), ...value.subarray(0, 255));
  return Uint8Array.from(out);
}

export function formatIpxe(ipxe: IpxeOptions): string {
  const parts: string[] = [];
  if (ipxe.noProxyDhcp !== undefined) parts.push(`no-proxydhcp=${ipxe.noProxyDhcp ? 1 : 0}`);
  if (ipxe.features) parts.push(`features=${[...ipxe.features.keys()].sort((a, b) => a - b).join(",")}`);
  for (const code of ipxe.other?.keys() ?? []) parts.push(`175.${code}`);
  return `{${parts.join(" ")}}`;
}
