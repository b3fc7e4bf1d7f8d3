import type { Mac } from "../platform/mac.ts";
import type { DhcpPacket } from "../protocols/dhcp4/packet.ts";
import { formatIpv4, type Ipv4 } from "../protocols/inet/ipv4.ts";
import type { BootClient } from "./classify.ts";
import { contains } from "./dhcp-settings.ts";
import type { Lease, LeasePool } from "./leases.ts";
import { bootFields, buildReply, networkOptions } from "./reply.ts";

/** What an answer says about booting; decided once for each request. */
export interface BootDecision {
  /** The network boot program: a TFTP name or a URL. */
  file: string | undefined;
  discoveryControl: boolean;
}

export interface Asked {
  request: DhcpPacket;
  mac: Mac;
  client: BootClient;
  /** Our address on the interface the request came in on. */
  server: Ipv4;
  boot: BootDecision;
}

/** What to do about a request. Whatever has a `lease` with another state than `offered` is saved before it is sent. */
export type Decision =
  | { kind: "ignore"; reason: string; exhausted?: true }
  | { kind: "offer"; reply: DhcpPacket; lease: Lease /** Ask the wire first. */; probe: boolean }
  | { kind: "ack"; reply: DhcpPacket; lease: Lease }
  | { kind: "nak"; reply: DhcpPacket; reason: string }
  | { kind: "inform"; reply: DhcpPacket }
  /** Boot information only: a proxy offer on 67, or the answer to a request on 4011. */
  | { kind: "boot"; reply: DhcpPacket }
  /** RELEASE and DECLINE: remembered, and never answered. */
  | { kind: "record"; lease: Lease; reason: string };

/** Seconds a boot client's lease lasts at most: firmware leaves without a RELEASE (rule 12). */
export const bootLeaseTime = 600;
/** Milliseconds an offer is kept for its client. */
const offerHold = 30_000;
/** Milliseconds an address stays out of use that somebody else was found to have. */
export const quarantine = 600_000;

/** Full DHCP (RFC 2131 §4.3), given the pools of the interface: the first its own, the others behind relays. */
export function decideFull(asked: Asked, pools: readonly LeasePool[], now: number): Decision {
  const { request, mac } = asked;
  const pool = poolFor(request, pools);
  if (!pool) return { kind: "ignore", reason: `no range for the relay ${formatIpv4(request.giaddr)}` };
  switch (request.options.messageType) {
    case "DHCPDISCOVER":
      return decideDiscover(asked, pool, now);
    case "DHCPREQUEST":
      return decideRequest(asked, pool, now);
    case "DHCPINFORM":
      return decideInform(asked, pool);
    case "DHCPRELEASE": {
      const lease = pool.of(mac);
      if (lease?.state !== "bound" || lease.address !== request.ciaddr) {
        return { kind: "ignore", reason: "releases what it does not hold" };
      }
      return { kind: "record", lease: { ...lease, state: "released", expires: now }, reason: "released" };
    }
    case "DHCPDECLINE": {
      const address = request.options.requestedAddress;
      const lease = pool.of(mac);
      // Only the holder is believed, or a stranger could put the whole range in quarantine.
      if (!lease || lease.address !== address)
        return { kind: "ignore", reason: "declines what it does not hold" };
      const reason = `${formatIpv4(address)} is in use by another host, says its client`;
      return {
        kind: "record",
        lease: { address, mac, state: "declined", expires: now + quarantine },
        reason,
      };
    }
    default:
      return { kind: "ignore", reason: `no question: ${request.options.messageType ?? "BOOTP"}` };
  }
}

/** RFC 3527: the relay's link selection before giaddr; without a relay the interface's own network. */
function poolFor(request: DhcpPacket, pools: readonly LeasePool[]): LeasePool | undefined {
  const { ciaddr, giaddr, options } = request;
  const on = (link: Ipv4) => pools.find((pool) => contains(pool.subnet, link));
  if (giaddr !== 0) return on(options.relayAgentInfo?.linkSelection ?? giaddr);
  // RFC 2131 §4.3.2: who has an address renews and releases it without its relay, and is believed to be where it is.
  return (options.messageType === "DHCPDISCOVER" ? undefined : on(ciaddr)) ?? pools[0];
}

function decideDiscover(asked: Asked, pool: LeasePool, now: number): Decision {
  const { request, mac } = asked;
  const chosen = pool.choose(mac, request.options.requestedAddress, now);
  if (!chosen) {
    const reserved = pool.subnet.reservations.get(mac);
    if (reserved === undefined) return { kind: "ignore", reason: "no free address", exhausted: true };
    const holder = pool.at(reserved.address);
    const why =
      holder?.state === "declined" ? "is in use by another host" : `is still leased to ${holder?.mac}`;
    return { kind: "ignore", reason: `its reserved address ${formatIpv4(reserved.address)} ${why}` };
  }
  const { address, fresh } = chosen;
  const held = pool.of(mac);
  const lease: Lease =
    !fresh && held?.state === "bound" ? held : { address, mac, state: "offered", expires: now + offerHold };
  return { kind: "offer", reply: addressReply(asked, pool, "DHCPOFFER", address), lease, probe: fresh };
}

function decideRequest(asked: Asked, pool: LeasePool, now: number): Decision {
  const { request, mac, server } = asked;
  const { serverIdentifier, requestedAddress } = request.options;
  const selecting = serverIdentifier !== undefined;
  if (selecting && serverIdentifier !== server) {
    return { kind: "ignore", reason: `took the offer of ${formatIpv4(serverIdentifier)}` };
  }
  const address = requestedAddress ?? request.ciaddr;
  if (address === 0) return { kind: "ignore", reason: "asks for no address" };
  const nak = (reason: string): Decision => ({
    kind: "nak",
    reason,
    // RFC 2131 §4.3.2: behind a relay it has to be broadcast, because the client's address is wrong.
    reply: buildReply(
      request,
      server,
      { broadcast: request.giaddr !== 0 || request.broadcast },
      {
        messageType: "DHCPNAK",
        message: reason,
      },
    ),
  });
  if (!contains(pool.subnet, address)) return nak(`${formatIpv4(address)} is not on this network`);
  if (!pool.allows(mac, address, now)) {
    const ours = address >= pool.subnet.first && address <= pool.subnet.last;
    // Another server of this network may own what is outside our range: it knows, we do not.
    if (!selecting && !ours && !pool.of(mac)) {
      return { kind: "ignore", reason: `${formatIpv4(address)} is not ours to give` };
    }
    return nak(`${formatIpv4(address)} cannot be had`);
  }
  const held = pool.of(mac);
  if (!selecting && !held) {
    // RFC 2131 §4.3.2, INIT-REBOOT: of whom we know nothing we say nothing. A client that renews uses the address
    // already, so giving it what is free can only be right.
    if (request.ciaddr === 0) return { kind: "ignore", reason: "no lease is known for it" };
  } else if (held && held.address !== address) {
    return nak(`${formatIpv4(address)} is not its address, ${formatIpv4(held.address)} is`);
  }
  const lease: Lease = {
    address,
    mac,
    state: "bound",
    expires: now + leaseTimeFor(asked, pool) * 1000,
    ...hostnameOf(request),
  };
  return { kind: "ack", reply: addressReply(asked, pool, "DHCPACK", address), lease };
}

/** RFC 2131 §4.3.5: everything but an address and its times. */
function decideInform({ request, client, server, boot }: Asked, pool: LeasePool): Decision {
  if (request.ciaddr === 0) return { kind: "ignore", reason: "asks for parameters without an address" };
  const { fields, options } = bootFields(request, client, server, { ...boot, proxy: false });
  return {
    kind: "inform",
    reply: buildReply(
      request,
      server,
      { ciaddr: request.ciaddr, ...fields },
      {
        messageType: "DHCPACK",
        ...networkOptions(pool.subnet, undefined),
        ...options,
      },
    ),
  };
}

function addressReply(
  asked: Asked,
  pool: LeasePool,
  messageType: "DHCPOFFER" | "DHCPACK",
  address: Ipv4,
): DhcpPacket {
  const { request, mac, client, server, boot } = asked;
  const { fields, options } = bootFields(request, client, server, { ...boot, proxy: false });
  const hostname = pool.subnet.reservations.get(mac)?.hostname;
  const ciaddr = messageType === "DHCPACK" ? request.ciaddr : undefined;
  return buildReply(
    request,
    server,
    { yiaddr: address, ...(ciaddr !== undefined && { ciaddr }), ...fields },
    {
      messageType,
      ...networkOptions(pool.subnet, leaseTimeFor(asked, pool), hostname),
      ...options,
    },
  );
}

function leaseTimeFor({ client }: Asked, pool: LeasePool): number {
  return client.kind === "plain" ? pool.subnet.leaseTime : Math.min(pool.subnet.leaseTime, bootLeaseTime);
}

/** What it calls itself, kept only when it is a name. */
function hostnameOf(request: DhcpPacket): { hostname?: string } {
  const { hostname } = request.options;
  return hostname !== undefined && /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(hostname) ? { hostname } : {};
}
