import { formatIpv4, type Ipv4, ipv4At, ipv4Bytes } from "../inet/ipv4.ts";
import { decodeText, encodeText, quote } from "./text.ts";

/** Option 43 as the PXE 2.1 specification (§2.2, table 2-1) fills it. */
export interface PxeOptions {
  /** 43.6, a bit field; 8 = take the boot file name as it is, ask nobody else. */
  discoveryControl?: number;
  /** 43.8: server type → addresses. */
  bootServers?: { type: number; addresses: Ipv4[] }[];
  /** 43.9: server type → text. */
  bootMenu?: { type: number; description: string }[];
  /** 43.10: seconds until the first entry is taken, and the prompt. */
  menuPrompt?: { timeout: number; prompt: string };
  /** 43.71: type and layer of the boot server item asked for. */
  bootItem?: { type: number; layer: number };
  /** Any other sub-option, undecoded. */
  other?: Map<number, Uint8Array>;
}

const known = new Set([6, 8, 9, 10, 71]);

/**
 * `undefined` where the bytes are not a list of sub-options at all, or hold none of PXE's: another vendor's option 43.
 * A sub-option that is there and wrong is left out.
 */
export function decodePxe(bytes: Uint8Array): PxeOptions | undefined {
  const subs = decodeSubOptions(bytes);
  if (!subs || ![...subs.keys()].some((code) => known.has(code))) return undefined;
  const pxe: PxeOptions = {};
  const other = new Map<number, Uint8Array>();
  for (const [code, value] of subs) {
    if (code === 6 && value.length === 1) pxe.discoveryControl = value[0] ?? 0;
    else if (code === 8) pxe.bootServers = decodeBootServers(value);
    else if (code === 9) pxe.bootMenu = decodeBootMenu(value);
    else if (code === 10 && value.length > 0) {
      pxe.menuPrompt = { timeout: value[0] ?? 0, prompt: decodeText(value.subarray(1)) };
    } else if (code === 71 && value.length === 4)
      pxe.bootItem = { type: uint16(value, 0), layer: uint16(value, 2) };
    else if (!known.has(code)) other.set(code, value);
  }
  if (other.size > 0) pxe.other = other;
  return pxe;
}

export function encodePxe(pxe: PxeOptions): Uint8Array {
  const out: number[] = [];
  const put = (code: number, value: ArrayLike<number>) => {
    const bytes = Array.from(value).slice(0, 255);
    out.push(code, bytes.length, ...bytes);
  };
  if (pxe.discoveryControl !== undefined) put(6, [pxe.discoveryControl]);
  if (pxe.bootServers) {
    put(
      8,
      pxe.bootServers.flatMap(({ type, addresses }) => [
        ...two(type),
        addresses.length,
        ...addresses.flatMap(ipv4Bytes),
      ]),
    );
  }
  if (pxe.bootMenu) {
    put(
      9,
      pxe.bootMenu.flatMap(({ type, description }) => {
        const text = encodeText(description).subarray(0, 255);
        return [...two(type), text.length, ...text];
      }),
    );
  }
  if (pxe.menuPrompt) put(10, [pxe.menuPrompt.timeout, ...encodeText(pxe.menuPrompt.prompt)]);
  if (pxe.bootItem) put(71, [...two(pxe.bootItem.type), ...two(pxe.bootItem.layer)]);
  for (const [code, value] of pxe.other ?? []) put(code, value);
  out.push(255);
  return Uint8Array.from(out);
}

export function formatPxe(pxe: PxeOptions): string {
  const parts: string[] = [];
  if (pxe.discoveryControl !== undefined) parts.push(`discovery-control=${pxe.discoveryControl}`);
  for (const server of pxe.bootServers ?? []) {
    parts.push(`server ${server.type}=${server.addresses.map(formatIpv4).join("/")}`);
  }
  for (const entry of pxe.bootMenu ?? []) parts.push(`menu ${entry.type}=${quote(entry.description)}`);
  if (pxe.menuPrompt) parts.push(`prompt ${quote(pxe.menuPrompt.prompt)} ${pxe.menuPrompt.timeout}s`);
  if (pxe.bootItem) parts.push(`item ${pxe.bootItem.type}.${pxe.bootItem.layer}`);
  for (const code of pxe.other?.keys() ?? []) parts.push(`43.${code}`);
  return `{${parts.join(" ")}}`;
}

/** Code, length, value, with 0 as padding and 255 as the end: how 43, 82 and 175 pack options into an option. */
export function decodeSubOptions(bytes: Uint8Array): Map<number, Uint8Array> | undefined {
  const found = new Map<number, Uint8Array>();
  let at = 0;
  while (at < bytes.length) {
    const code = bytes[at] ?? 255;
    if (code === 255) break;
    if (code === 0) {
      at++;
      continue;
    }
    const end = at + 2 + (bytes[at + 1] ?? 0);
    if (at + 1 >= bytes.length || end > bytes.length) return undefined;
    found.set(code, bytes.subarray(at + 2, end));
    at = end;
  }
  return found;
}

function decodeBootServers(bytes: Uint8Array): { type: number; addresses: Ipv4[] }[] {
  const servers: { type: number; addresses: Ipv4[] }[] = [];
  for (let at = 0; at + 3 <= bytes.length; ) {
    const count = bytes[at + 2] ?? 0;
    const end = at + 3 + count * 4;
    if (end > bytes.length) break;
    servers.push({
      type: uint16(bytes, at),
      addresses: Array.from({ length: count }, (_, index) => ipv4At(bytes, at + 3 + index * 4)),
    });
    at = end;
  }
  return servers;
}

function decodeBootMenu(bytes: Uint8Array): { type: number; description: string }[] {
  const menu: { type: number; description: string }[] = [];
  for (let at = 0; at + 3 <= bytes.length; ) {
    const end = at + 3 + (bytes[at + 2] ?? 0);
    if (end > bytes.length) break;
    menu.push({ type: uint16(bytes, at), description: decodeText(bytes.subarray(at + 3, end)) });
    at = end;
  }
  return menu;
}

const uint16 = (bytes: Uint8Array, at: number) => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
const two = (value: number) => [(value >> 8) & 255, value & 255];
