import { formatIpv4, type Ipv4, ipv4At } from "../inet/ipv4.ts";
import { decodeSubOptions } from "./option-pxe.ts";
import { decodeText, quote } from "./text.ts";

/** Option 82, RFC 3046. `raw` is what goes back to the relay, byte for byte (§2.2). */
export interface RelayAgentInfo {
  raw: Uint8Array;
  circuitId?: Uint8Array; // 82.1
  remoteId?: Uint8Array; // 82.2
  /** 82.5, RFC 3527: the client's subnet where giaddr is not on it. */
  linkSelection?: Ipv4;
}

/** Never fails: an unreadable option 82 still has to be echoed. */
export function decodeRelay(raw: Uint8Array): RelayAgentInfo {
  const subs = decodeSubOptions(raw);
  const info: RelayAgentInfo = { raw };
  const circuitId = subs?.get(1);
  const remoteId = subs?.get(2);
  const link = subs?.get(5);
  if (circuitId) info.circuitId = circuitId;
  if (remoteId) info.remoteId = remoteId;
  if (link?.length === 4) info.linkSelection = ipv4At(link, 0);
  return info;
}

export const encodeRelay = (info: RelayAgentInfo): Uint8Array => info.raw;

export function formatRelay(info: RelayAgentInfo): string {
  const parts: string[] = [];
  if (info.circuitId) parts.push(`circuit=${quote(decodeText(info.circuitId))}`);
  if (info.remoteId) parts.push(`remote=${quote(decodeText(info.remoteId))}`);
  if (info.linkSelection !== undefined) parts.push(`link=${formatIpv4(info.linkSelection)}`);
  return `{${parts.length > 0 ? parts.join(" ") : `${info.raw.length} bytes`}}`;
}
