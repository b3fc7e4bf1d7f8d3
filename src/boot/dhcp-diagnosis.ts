import type { Mac } from "../platform/mac.ts";
import { formatIpv4 } from "../protocols/inet/ipv4.ts";
import type { DhcpExchange, DhcpOverheard, DhcpTrouble, TroubleCode } from "./dhcp-events.ts";

/** What is remembered of one client's attempt. */
interface Attempt {
  since: number;
  discovers: number;
  offered: boolean;
  binlXid: number;
  binlRequests: number;
}

/** Recognises, in what is heard, the faults of other servers and of firmware that field notes know by name. */
export interface DhcpDiagnosis {
  /** A trouble seen elsewhere, unless it was told a short while ago. `whose` tells like troubles apart. */
  report(
    event: { at: number; interface: string },
    trouble: TroubleCode,
    whose: string,
    message: string,
    mac?: Mac,
  ): DhcpTrouble[];
  exchange(event: DhcpExchange, mode: "full" | "proxy"): DhcpTrouble[];
  overheard(event: DhcpOverheard, mode: "full" | "proxy"): DhcpTrouble[];
}

/** A trouble is told again after this many milliseconds, if it is still there. */
const silence = 600_000;
/** Firmware that merges nothing sends its DISCOVERs at 0, 4, 12 and 28 s: within this many milliseconds. */
const patience = 90_000;
const hopeless = 4;
/** iPXE asks four times within seven seconds where the other server is slow: that is no pattern yet. */
const atLeast = 20_000;
const binlTries = 3;

/** `limit` bounds how many clients, and how many troubles, are remembered; the oldest go first. */
export function createDhcpDiagnosis(limit = 4096): DhcpDiagnosis {
  const attempts = new Map<string, Attempt>();
  const told = new Map<string, number>();

  function tell(
    event: { at: number; interface: string },
    trouble: TroubleCode,
    whose: string,
    message: string,
    mac?: Mac,
  ): DhcpTrouble[] {
    const key = `${trouble} ${event.interface} ${whose}`;
    const last = told.get(key);
    if (last !== undefined && event.at - last < silence) return [];
    remember(told, key, event.at, limit);
    return [
      {
        kind: "trouble",
        at: event.at,
        interface: event.interface,
        trouble,
        message,
        ...(mac !== undefined && { mac }),
      },
    ];
  }

  return {
    report: tell,
    exchange(event, mode) {
      const { mac, at, port, request, outcome } = event;
      if (event.client.kind === "plain") return [];
      const type = request.options.messageType;
      const key = `${event.interface} ${mac}`;
      const known = attempts.get(key);
      const attempt: Attempt =
        known && at - known.since < patience
          ? known
          : { since: at, discovers: 0, offered: false, binlXid: 0, binlRequests: 0 };
      remember(attempts, key, attempt, limit);
      if (port === 4011) {
        attempt.discovers = 0;
        attempt.binlRequests = attempt.binlXid === request.xid ? attempt.binlRequests + 1 : 1;
        attempt.binlXid = request.xid;
        if (attempt.binlRequests < binlTries || outcome.kind !== "answered") return [];
        return tell(
          event,
          "binl-unanswered",
          mac,
          `${mac} has asked ${attempt.binlRequests} times on port 4011 and was answered each time: the answers do not reach it (PXE-E55 on its screen). Look for a firewall between it and us.`,
          mac,
        );
      }
      if (type === "DHCPREQUEST") {
        attempts.delete(key);
        return [];
      }
      if (type !== "DHCPDISCOVER") return [];
      attempt.discovers++;
      attempt.offered ||= outcome.kind === "answered";
      if (attempt.discovers < hopeless || !attempt.offered || at - attempt.since < atLeast) return [];
      const remedy =
        mode === "proxy"
          ? "Its firmware may be one of those that never merge the offers of two servers: only full DHCP boots it (dhcp: full), or a boot file name from the other server (labctl bastion dhcp-snippet)."
          : "Our offers do not reach it, or it wants another server's.";
      return tell(
        event,
        "offers-not-merged",
        mac,
        `${mac} was offered a boot file ${attempt.discovers} times in ${Math.round((at - attempt.since) / 1000)} s and requested none. ${remedy}`,
        mac,
      );
    },

    overheard(event, mode) {
      const { reply } = event;
      const { options } = reply;
      const server = formatIpv4(options.serverIdentifier ?? reply.siaddr);
      const type = options.messageType;
      if (type !== "DHCPOFFER" && type !== "DHCPACK") return [];
      const says = options.vendorClass ?? "";
      const boots = says.startsWith("PXEClient") || says.startsWith("HTTPClient");
      if (reply.yiaddr === 0) {
        if (!boots) return [];
        return tell(
          event,
          "second-proxy",
          server,
          `${server} is a second proxyDHCP server here: UEFI keeps the first such offer and drops the other, so machines boot now from it, now from us. Stop one of the two.`,
        );
      }
      const troubles: DhcpTrouble[] = [];
      if (says.startsWith("PXEClient") && !options.pxe && !options.vendorSpecific) {
        troubles.push(
          ...tell(
            event,
            "option-60-without-43",
            server,
            `the DHCP server ${server} sends option 60 'PXEClient' without option 43: UEFI machines then ask it on port 4011 and stop with PXE-E55, while BIOS machines boot. Take option 60 out of its configuration.`,
          ),
        );
      }
      if (mode === "full") {
        troubles.push(
          ...tell(
            event,
            "second-dhcp-server",
            server,
            `${server} hands out addresses here as well (${formatIpv4(reply.yiaddr)} to ${event.mac}). Stop one of the two, or set dhcp: proxy.`,
          ),
        );
      }
      return troubles;
    },
  };
}

/** Puts the entry last, and the oldest out when there are too many. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value, limit: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= limit) return;
  const oldest = map.keys().next().value;
  if (oldest !== undefined) map.delete(oldest);
}
