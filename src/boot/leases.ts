import type { Mac } from "../platform/mac.ts";
import { type Ipv4, toIpv4 } from "../protocols/inet/ipv4.ts";
import { contains, type Subnet } from "./dhcp-settings.ts";

/**
 * `offered` is a promise, held in memory only; the others are on disk. `released` and expired leases remember who
 * had the address, so that it gets it again; a `declined` address is in use by somebody we did not give it to.
 */
export type LeaseState = "offered" | "bound" | "released" | "declined";

export interface Lease {
  address: Ipv4;
  /** The key (rule 12): firmware, iPXE and installer send three client identifiers, and one MAC. */
  mac: Mac;
  state: LeaseState;
  /** Milliseconds since the epoch; for `declined` the end of the quarantine. */
  expires: number;
  hostname?: string;
}

/** The addresses of one subnet. Holds no clock: every question says when it is asked. */
export interface LeasePool {
  readonly subnet: Subnet;
  of(mac: Mac): Lease | undefined;
  at(address: Ipv4): Lease | undefined;
  /** An address for this MAC, `undefined` when there is none. `fresh`: it does not hold it now, so probe first. */
  choose(mac: Mac, wanted: Ipv4 | undefined, now: number): { address: Ipv4; fresh: boolean } | undefined;
  /** Whether this MAC may have this address now. */
  allows(mac: Mac, address: Ipv4, now: number): boolean;
  put(lease: Lease): void;
  list(): Lease[];
}

/** A pool with the leases that were saved; those of other subnets are left aside. */
export function createLeasePool(subnet: Subnet, server: Ipv4, saved: readonly Lease[] = []): LeasePool {
  const byAddress = new Map<Ipv4, Lease>();
  const byMac = new Map<Mac, Lease>();
  const reservedFor = new Map([...subnet.reservations].map(([mac, { address }]) => [address, mac]));
  const size = subnet.last - subnet.first + 1;
  /** Where the search for a free address goes on: round the range, so that the longest unused comes next. */
  let hand = 0;
  /** Nothing becomes free before this time: spares the search while the pool is exhausted. */
  let fullUntil = 0;

  const inRange = (address: Ipv4) => address >= subnet.first && address <= subnet.last;
  const isHeld = (lease: Lease, now: number) => lease.state !== "released" && lease.expires > now;

  function allows(mac: Mac, address: Ipv4, now: number): boolean {
    const owner = reservedFor.get(address);
    if (owner === undefined && (subnet.reservations.has(mac) || !inRange(address))) return false;
    if (owner !== undefined && owner !== mac) return false;
    if (address === server || address === subnet.gateway) return false;
    const lease = byAddress.get(address);
    return !lease || !isHeld(lease, now) || (lease.mac === mac && lease.state !== "declined");
  }

  function next(mac: Mac, now: number): Ipv4 | undefined {
    if (now < fullUntil) return undefined;
    let earliest = Number.POSITIVE_INFINITY;
    for (let step = 0; step < size; step++) {
      const address = toIpv4(subnet.first + ((hand + step) % size));
      if (allows(mac, address, now)) {
        hand = (hand + step + 1) % size;
        return address;
      }
      earliest = Math.min(earliest, byAddress.get(address)?.expires ?? earliest);
    }
    fullUntil = earliest;
    return undefined;
  }

  function put(lease: Lease): void {
    const displaced = byAddress.get(lease.address);
    if (displaced && byMac.get(displaced.mac) === displaced) byMac.delete(displaced.mac);
    byAddress.set(lease.address, lease);
    if (lease.state !== "declined") {
      const earlier = byMac.get(lease.mac);
      if (earlier && earlier !== displaced) byAddress.delete(earlier.address);
      byMac.set(lease.mac, lease);
    }
    // A lease that moved or ended may have freed an address.
    fullUntil = 0;
  }

  for (const lease of saved.toSorted((a, b) => a.expires - b.expires)) {
    if (!contains(subnet, lease.address)) continue;
    put(lease);
    if (inRange(lease.address)) hand = (lease.address - subnet.first + 1) % size;
  }

  return {
    subnet,
    of: (mac) => byMac.get(mac),
    at: (address) => byAddress.get(address),
    allows,
    choose(mac, wanted, now) {
      const own = byMac.get(mac);
      const mine = (address: Ipv4) => {
        const fresh = own?.address !== address || !isHeld(own, now);
        return allows(mac, address, now) ? { address, fresh } : undefined;
      };
      const reserved = subnet.reservations.get(mac)?.address;
      if (reserved !== undefined) return mine(reserved);
      const kept = own && mine(own.address);
      if (kept) return kept;
      if (wanted !== undefined && allows(mac, wanted, now)) return { address: wanted, fresh: true };
      const address = next(mac, now);
      return address === undefined ? undefined : { address, fresh: true };
    },
    put,
    list: () => [...byAddress.values()],
  };
}
