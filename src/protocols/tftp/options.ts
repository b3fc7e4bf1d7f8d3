import type { OptionList, RequestPacket } from "./packet.ts";

/** What this server grants at most. */
export interface OptionLimits {
  /** Path MTU in bytes; DATA must fit it: IP 20 + UDP 8 + TFTP 4. */
  mtu: number;
  /** Largest number of blocks sent ahead of an acknowledgement. */
  windowsize: number;
}

/** How a transfer goes after negotiation. */
export interface Terms {
  /** Bytes of payload in a DATA packet; RFC 1350 says 512 where nobody asks. */
  blksize: number;
  windowsize: number;
  /** Retransmission interval the client asked for (RFC 2349), in milliseconds. */
  timeoutMs: number | undefined;
  /** The client wants to know the size, perhaps nothing else. */
  sizeAsked: boolean;
  /** The options to acknowledge; empty: no OACK, the first DATA answers. */
  oack: OptionList;
}

const defaultBlksize = 512;
/** IP, UDP and TFTP headers. */
const headers = 32;

/**
 * Grants each known option as asked or smaller, and says nothing of those it does not know or accept
 * (RFC 2347: an option the client did not ask for aborts the transfer, and so does a larger value in EDK2).
 * `size` is the number of bytes that will be sent, `undefined` where it is not known.
 */
export function negotiate(request: RequestPacket, size: number | undefined, limits: OptionLimits): Terms {
  const terms: Terms = {
    blksize: Math.min(defaultBlksize, limits.mtu - headers),
    windowsize: 1,
    timeoutMs: undefined,
    sizeAsked: false,
    oack: [],
  };
  const oack: [string, string][] = [];
  const seen = new Set<string>();
  for (const [name, value] of request.options) {
    const option = name.toLowerCase();
    if (seen.has(option)) continue;
    seen.add(option);
    const asked = /^\d{1,10}$/.test(value) ? Number(value) : undefined;
    if (asked === undefined) continue;
    switch (option) {
      case "blksize": // RFC 2348: 8 to 65464
        if (asked < 8 || asked > 65464) break;
        terms.blksize = Math.min(asked, Math.max(8, limits.mtu - headers));
        oack.push([name, String(terms.blksize)]);
        break;
      case "windowsize": // RFC 7440: 1 to 65535
        if (asked < 1 || asked > 65535) break;
        terms.windowsize = Math.min(asked, limits.windowsize);
        oack.push([name, String(terms.windowsize)]);
        break;
      case "timeout": // RFC 2349: 1 to 255 seconds, accepted as it is or not at all
        if (asked < 1 || asked > 255) break;
        terms.timeoutMs = asked * 1000;
        oack.push([name, String(asked)]);
        break;
      case "tsize": // RFC 2349
        if (size === undefined) break;
        terms.sizeAsked = true;
        oack.push([name, String(size)]);
        break;
    }
  }
  terms.oack = oack;
  return terms;
}
