import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import { type Mac, macFromBytes } from "../platform/mac.ts";
import type { UdpDatagram } from "../protocols/dhcp4/frame.ts";
import { type DhcpPacket, decodePacket, encodePacket } from "../protocols/dhcp4/packet.ts";
import { summary } from "../protocols/dhcp4/summary.ts";
import { formatIpv4, type Ipv4 } from "../protocols/inet/ipv4.ts";
import { type BootClient, classify } from "./classify.ts";
import { type Destination, decideDestination } from "./delivery.ts";
import { createDhcpDiagnosis } from "./dhcp-diagnosis.ts";
import type { DhcpEvent, DhcpExchange } from "./dhcp-events.ts";
import type { BootSettings, DhcpInterface, MachineBootOptions } from "./dhcp-settings.ts";
import type { LeaseJournal } from "./lease-journal.ts";
import { createLeaseKeeper } from "./lease-keeper.ts";
import { createLeasePool, type Lease, type LeasePool } from "./leases.ts";
import type { NbpPolicy } from "./nbp.ts";
import type { Asked, Decision } from "./offer.ts";
import { decideBinl, decideProxy } from "./proxy-offer.ts";
import { createRateLimit } from "./rate-limit.ts";

/** What the service needs of the interface it answers on. */
export interface DhcpPorts {
  send(bytes: Uint8Array, destination: Destination, port: 67 | 4011): void;
  /** Who has this address on this wire; `undefined`: nobody, or it cannot be asked. */
  probe(address: Ipv4): Promise<Mac | undefined>;
}

export interface DhcpServiceDeps {
  boot: BootSettings;
  decideNbp: NbpPolicy;
  bootOptions(mac: Mac): MachineBootOptions | Promise<MachineBootOptions>;
  /** Whether a machine that is let in now would have to wait for its boot program. */
  crowded?(): boolean;
  journal: LeaseJournal;
  observe(event: DhcpEvent): void;
  clock: Clock;
  log: Logger;
}

export interface DhcpCounters {
  received: number;
  invalid: number;
  /** Dropped because their MAC, or everybody together, asked too often. */
  limited: number;
  answered: number;
  ignored: number;
  failed: number;
}

/** DHCP on one interface: load → decide → save → send → tell. Never throws, whatever comes in. */
export interface DhcpService {
  receive(bytes: Uint8Array, port: 67 | 4011, from: { address: Ipv4; port: number }): Promise<void>;
  /** What another server sent to a client. */
  overhear(datagram: UdpDatagram): void;
  leases(): Lease[];
  /** What this MAC holds now: at most one lease in each subnet. */
  leasesOf(mac: Mac): Lease[];
  counters(): DhcpCounters;
}

/** A ROM sends some ten packets a minute, a hopeless one some twenty. */
const perMac = { burst: 20, perSecond: 2, keys: 16_384 };
/** Requests that may be under way at once; what comes on top is sent again by its client. */
const maxUnderWay = 4096;

export function createDhcpService(
  nic: DhcpInterface,
  saved: readonly Lease[],
  ports: DhcpPorts,
  deps: DhcpServiceDeps,
): DhcpService {
  const { clock, observe } = deps;
  const log = deps.log.with({ interface: nic.name });
  const mode = nic.mode === "full" ? "full" : "proxy";
  const pools = nic.subnets.map((subnet) => createLeasePool(subnet, nic.address, saved));
  const limit = createRateLimit(perMac);
  const diagnosis = createDhcpDiagnosis();
  const counters: DhcpCounters = { received: 0, invalid: 0, limited: 0, answered: 0, ignored: 0, failed: 0 };
  let underWay = 0;

  const tell = (events: readonly DhcpEvent[]) => {
    for (const event of events) {
      if (event.kind === "trouble") log.warn(event.message, { mac: event.mac, trouble: event.trouble });
      try {
        observe(event);
      } catch (error) {
        // An answer was given, whatever its observer makes of it.
        log.error(`telling of an exchange: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };

  const keeper = createLeaseKeeper(pools, nic.probe, {
    clock,
    journal: deps.journal,
    probe: ports.probe,
    conflict(address, holder) {
      const message = `${formatIpv4(address)} is in use by ${holder} and was not offered; it is left alone for ten minutes. Take it out of the range, or reserve it.`;
      const where = { at: clock.now(), interface: nic.name };
      tell(diagnosis.report(where, "address-conflict", String(address), message));
    },
  });

  async function decide(asked: Asked, port: 67 | 4011): Promise<Decision> {
    const { client, request } = asked;
    // Firmware asks for an address for a minute, for its boot program 20 s or less: whoever has to wait does so here.
    // Beside another server, which offers it an address all the same, that would cost it the boot.
    if (
      mode === "full" &&
      client.kind === "pxe" &&
      request.options.messageType === "DHCPDISCOVER" &&
      deps.crowded?.()
    ) {
      return {
        kind: "ignore",
        reason: "more machines boot than TFTP serves at a time; it asks again shortly",
      };
    }
    if (port === 4011) return decideBinl(asked);
    if (mode === "proxy") return decideProxy(asked);
    return await keeper.decide(asked);
  }

  async function answer(
    request: DhcpPacket,
    mac: Mac,
    port: 67 | 4011,
    from: { address: Ipv4; port: number },
  ): Promise<void> {
    const at = clock.now();
    const began = clock.monotonic();
    const client = classify(mac, request.options);
    const asked: Asked = { request, mac, client, server: nic.address, boot: await bootFor(mac, client) };
    const decision = await decide(asked, port);
    const event = (outcome: DhcpExchange["outcome"]): DhcpExchange => {
      return {
        kind: "exchange",
        at,
        interface: nic.name,
        port,
        mac,
        xid: request.xid,
        client,
        request,
        outcome,
      };
    };
    const about = { mac, xid: hexXid(request.xid), port };
    let exchange: DhcpExchange;
    if (decision.kind === "ignore" || decision.kind === "record") {
      const { reason } = decision;
      exchange = event({ kind: decision.kind === "record" ? "recorded" : "ignored", reason });
      counters.ignored++;
      log.debug(`${request.options.messageType ?? "BOOTP"}: ${reason}`, about);
      if (decision.kind === "record" && decision.lease.state === "declined") {
        tell(diagnosis.report(exchange, "address-conflict", String(decision.lease.address), reason, mac));
      }
      if (decision.kind === "ignore" && decision.exhausted) {
        const message = `no free address for ${mac}: the range is used up. Widen it, or shorten leaseTime.`;
        tell(diagnosis.report(exchange, "range-exhausted", formatIpv4(request.giaddr), message));
      }
    } else {
      const { reply } = decision;
      const { bytes, omitted } = encodePacket(reply, request.options.maxMessageSize);
      ports.send(bytes, decideDestination(request, reply, mac, port, from), port);
      counters.answered++;
      exchange = event({ kind: "answered", reply, took: clock.monotonic() - began });
      if (omitted.length > 0) log.debug(`no room for options ${omitted.join(", ")}`, about);
      if (decision.kind === "nak") log.info(`DHCPNAK: ${decision.reason}`, about);
      else
        log.info(`${reply.options.messageType} ${addressAndFile(reply)}`, {
          ...about,
          client: describe(client),
        });
    }
    tell([exchange, ...diagnosis.exchange(exchange, mode)]);
  }

  async function bootFor(mac: Mac, client: BootClient): Promise<Asked["boot"]> {
    if (client.kind === "plain") return { file: undefined, discoveryControl: true };
    const own = await deps.bootOptions(mac);
    const program = own.program ?? deps.boot.program;
    const server = formatIpv4(nic.address);
    return {
      file: deps.decideNbp(client, { server, httpPort: deps.boot.httpPort, program }),
      discoveryControl: deps.boot.discoveryControl && own.skipPxeDiscoveryControl !== true,
    };
  }

  return {
    async receive(bytes, port, from) {
      counters.received++;
      const decoded = decodePacket(bytes);
      if (decoded.kind === "invalid" || decoded.packet.op !== "request") {
        counters.invalid++;
        return;
      }
      const { packet } = decoded;
      const mac = packet.htype === 1 ? macFromBytes(packet.chaddr) : undefined;
      if (mac === undefined) {
        counters.invalid++;
        return;
      }
      if (underWay >= maxUnderWay || !limit.take(mac, clock.monotonic())) {
        counters.limited++;
        return;
      }
      underWay++;
      try {
        await answer(packet, mac, port, from);
      } catch (error) {
        counters.failed++;
        const why = error instanceof Error ? error.message : String(error);
        log.error(`not answered: ${why}`, { mac, xid: hexXid(packet.xid), port });
      } finally {
        underWay--;
      }
    },
    overhear(datagram) {
      if (datagram.source === nic.address) return;
      const decoded = decodePacket(datagram.payload);
      if (decoded.kind === "invalid" || decoded.packet.op !== "reply") return;
      const reply = decoded.packet;
      const mac = macFromBytes(reply.chaddr);
      if (mac === undefined || !limit.take(`overheard ${mac}`, clock.monotonic())) return;
      log.debug(`overheard ${summary(reply)}`);
      const event = { kind: "overheard", at: clock.now(), interface: nic.name, mac, reply } as const;
      tell([event, ...diagnosis.overheard(event, mode)]);
    },
    leases: () => pools.flatMap((pool: LeasePool) => pool.list()),
    leasesOf(mac) {
      const now = clock.now();
      return pools.flatMap((pool) => {
        const lease = pool.of(mac);
        return lease?.state === "bound" && lease.expires > now ? [lease] : [];
      });
    },
    counters: () => ({ ...counters }),
  };
}

const hexXid = (xid: number) => xid.toString(16).padStart(8, "0");
const describe = ({ kind, platform }: BootClient) => (kind === "plain" ? kind : `${kind} ${platform}`);

function addressAndFile(reply: DhcpPacket): string {
  const address = reply.yiaddr === 0 ? [] : [formatIpv4(reply.yiaddr)];
  const file = reply.options.bootFileName === undefined ? [] : [reply.options.bootFileName];
  return [...address, ...file].join(" ");
}
