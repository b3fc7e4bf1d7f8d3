import type { Clock } from "../platform/clock.ts";
import type { Mac } from "../platform/mac.ts";
import { formatIpv4, type Ipv4 } from "../protocols/inet/ipv4.ts";
import { contains } from "./dhcp-settings.ts";
import type { LeaseJournal } from "./lease-journal.ts";
import type { Lease, LeasePool } from "./leases.ts";
import { type Asked, type Decision, decideFull, quarantine } from "./offer.ts";

export interface LeaseKeeperDeps {
  journal: LeaseJournal;
  /** Who has this address on this wire; `undefined`: nobody, or it cannot be asked. */
  probe(address: Ipv4): Promise<Mac | undefined>;
  /** An address that was about to be offered and that somebody answers for. */
  conflict(address: Ipv4, holder: Mac): void;
  clock: Clock;
}

/** What lies between a decision and its answer: the wire is asked, the address held, the lease saved. */
export interface LeaseKeeper {
  /** Full DHCP's decision, once it may be sent. @throws what the store throws: then nothing may be. */
  decide(asked: Asked): Promise<Decision>;
}

/** Milliseconds an address is kept for a client while it is probed or saved. */
const holdTime = 30_000;
/** Probes under way at once; past it addresses are offered unprobed and DECLINE has to do. */
const maxProbes = 512;
/** Addresses tried in a row that turn out to be in use. */
const maxConflicts = 4;

/** @param probes whether to ask the wire about an address before it is offered. */
export function createLeaseKeeper(
  pools: readonly LeasePool[],
  probes: boolean,
  deps: LeaseKeeperDeps,
): LeaseKeeper {
  const { clock, journal } = deps;
  const probing = new Set<Ipv4>();
  const poolOf = (address: Ipv4) => pools.find((pool) => contains(pool.subnet, address));

  async function save(lease: Lease): Promise<void> {
    const pool = poolOf(lease.address);
    if (!pool) return;
    await journal.save({ lease, network: `${formatIpv4(pool.subnet.network)}/${pool.subnet.prefix}` });
    pool.put(lease);
  }

  /** Keeps the address from others; what the client already has stays as it is. */
  function hold(lease: Lease): void {
    const pool = poolOf(lease.address);
    const held = pool?.of(lease.mac);
    const now = clock.now();
    if (held?.address === lease.address && held.state === "bound" && held.expires > now) return;
    pool?.put({ ...lease, state: "offered", expires: Math.min(lease.expires, now + holdTime) });
  }

  /** The offer once the wire was asked about its address; another one where somebody has it. */
  async function probed(asked: Asked, first: Decision): Promise<Decision> {
    let decision = first;
    for (let conflicts = 0; decision.kind === "offer"; conflicts++) {
      const { address } = decision.lease;
      if (probing.has(address)) {
        return { kind: "ignore", reason: `${formatIpv4(address)} is being probed for it` };
      }
      hold(decision.lease);
      // A relay's wire cannot be asked from here: there the client's own DECLINE has to do.
      const askWire = decision.probe && probes && asked.request.giaddr === 0 && probing.size < maxProbes;
      if (!askWire) return decision;
      probing.add(address);
      const holder = await deps.probe(address).finally(() => probing.delete(address));
      if (holder === undefined || holder === asked.mac) return decision;
      deps.conflict(address, holder);
      const now = clock.now();
      poolOf(address)?.put({ address, mac: holder, state: "declined", expires: now + quarantine });
      if (conflicts >= maxConflicts) {
        return { kind: "ignore", reason: "every address tried is in use by another host" };
      }
      decision = decideFull(asked, pools, now);
    }
    return decision;
  }

  return {
    async decide(asked) {
      const decision = decideFull(asked, pools, clock.now());
      if (decision.kind === "offer") return await probed(asked, decision);
      if (decision.kind === "ack") {
        // Before anything is waited for, or the next request could be promised the same address.
        hold(decision.lease);
        await save(decision.lease);
      } else if (decision.kind === "record") {
        await save(decision.lease);
      }
      return decision;
    },
  };
}
