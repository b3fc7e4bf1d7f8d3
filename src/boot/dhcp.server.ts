import type { Clock } from "../platform/clock.ts";
import type { InterfaceConfig } from "../platform/config.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import type { Mac } from "../platform/mac.ts";
import {
  openPacketSocket,
  type PacketSocket,
  type PacketSocketEvents,
} from "../protocols/dhcp4/packet-socket.server.ts";
import { type NicSocket, openNicSocket } from "../protocols/dhcp4/udp-nic.server.ts";
import type { HostInterface, InterfaceReader } from "../protocols/inet/interfaces.client.ts";
import { everyone, formatIpv4, type Ipv4, readIpv4 } from "../protocols/inet/ipv4.ts";
import { explainOpenFailure, type Libc, openLibc, SystemCallError } from "../protocols/inet/libc.server.ts";
import type { Destination } from "./delivery.ts";
import type { DhcpEvent } from "./dhcp-events.ts";
import { createDhcpService, type DhcpCounters, type DhcpService } from "./dhcp-service.ts";
import { type BootSettings, type MachineBootOptions, readDhcpInterface } from "./dhcp-settings.ts";
import { createLeaseJournal } from "./lease-journal.ts";
import type { Lease } from "./leases.ts";
import type { LeasesRepository } from "./leases-repository.ts";
import { decideNbp, type NbpPolicy } from "./nbp.ts";

export interface DhcpServerDeps {
  interfaces: readonly InterfaceConfig[];
  readInterfaces: InterfaceReader;
  boot: BootSettings;
  repository: LeasesRepository;
  /** What this machine needs differently; asked for each request of a boot client, so it has to be quick. */
  bootOptions(mac: Mac): MachineBootOptions | Promise<MachineBootOptions>;
  /** Whether a machine that is let in now would have to wait for its boot program. */
  crowded?(): boolean;
  /** Every exchange, what other servers were heard to answer, and the troubles recognised. */
  observe(event: DhcpEvent): void;
  clock: Clock;
  log: Logger;
  /** Which boot program for whom; left out: `decideNbp`. */
  decideNbp?: NbpPolicy;
}

export interface DhcpServer {
  /** Answers from now on. @throws AppError when a port is taken, forbidden, or the settings do not fit the network. */
  start(): Promise<void>;
  stop(): Promise<void>;
  leases(): Lease[];
  /** The addresses this MAC holds now, dotted: one on each network it is on. */
  leasesOf(mac: Mac): string[];
  /** One entry for each interface that is served now. */
  status(): { interface: string; address: string; ports: number[]; counters: DhcpCounters }[];
}

/** Where an interface is now. */
interface Nic {
  address: Ipv4;
  prefix: number;
  mac: Mac;
  index: number;
}

interface OpenInterface {
  nic: Nic;
  service: DhcpService;
  ports: number[];
  /** The interface was down meanwhile: it has to be opened anew. */
  lost(): boolean;
  close(): Promise<void>;
}

/** Interfaces come, go and change their address; looked at this often, in milliseconds. */
const watchInterval = 5000;

export function createDhcpServer(deps: DhcpServerDeps): DhcpServer {
  const { log, clock } = deps;
  const wanted = deps.interfaces.filter((config) => config.dhcp !== "off");
  const journal = createLeaseJournal(deps.repository, (run) => void setImmediate(run));
  const open = new Map<string, OpenInterface>();
  const missing = new Set<string>();
  let libc: Libc | undefined;
  let stopWatching: (() => void) | undefined;
  let watching: Promise<void> = Promise.resolve();

  async function openInterface(system: Libc, config: InterfaceConfig, nic: Nic): Promise<OpenInterface> {
    const settings = readDhcpInterface(config, nic.address, nic.prefix);
    const nicLog = log.with({ interface: config.name });
    const saved = await deps.repository.load();
    const sockets = new Map<number, NicSocket>();
    let lost = false;
    const hearing: PacketSocketEvents = {
      overheard: (datagram) => service.overhear(datagram),
      lost() {
        lost = true;
      },
    };
    const packets = await openPackets(system, nic, hearing, nicLog);
    const service = createDhcpService(
      settings,
      saved,
      {
        send: (bytes, destination, port) =>
          deliver(sockets.get(port), packets, nic, bytes, destination, nicLog),
        probe: (address) => packets?.probe(address) ?? Promise.resolve(undefined),
      },
      { ...deps, decideNbp: deps.decideNbp ?? decideNbp, journal },
    );
    const close = async () => {
      packets?.close();
      await Promise.all([...sockets.values()].map((socket) => socket.close()));
    };
    for (const port of [67, 4011] as const) {
      const what = `UDP port ${port} on ${config.name}`;
      try {
        const socket = await openNicSocket(system, config.name, port, {
          datagram: (bytes, from) => void service.receive(bytes, port, from),
          error: (error) => nicLog.warn(`${what}: ${error.message}`),
        });
        sockets.set(port, socket);
      } catch (error) {
        const taken = error instanceof SystemCallError && error.errno === "EADDRINUSE";
        if (!(taken && config.dhcp === "proxy" && port === 67)) {
          await close();
          throw explainOpenFailure(error, what);
        }
        // PXE 2.1 §2.2.3: beside a DHCP server on this host a proxy is asked on 4011 alone.
        nicLog.warn(`${what} is held by another DHCP server of this host: answering on 4011 alone`, {
          hint: "that server has to send option 60 'PXEClient' and our address",
        });
      }
    }
    nicLog.info(`DHCP ${config.dhcp} on ${formatIpv4(nic.address)}/${nic.prefix}`);
    return { nic, service, ports: [...sockets.keys()], lost: () => lost, close };
  }

  async function openPackets(
    system: Libc,
    nic: Nic,
    hearing: PacketSocketEvents,
    nicLog: Logger,
  ): Promise<PacketSocket | undefined> {
    try {
      return await openPacketSocket(system, nic, clock, hearing);
    } catch (error) {
      nicLog.warn(
        `no packet socket (${toAppError(error).message}): answers are broadcast, addresses not probed`,
        {
          hint: "grant CAP_NET_RAW",
        },
      );
      return undefined;
    }
  }

  /** Opens what is there, closes what is gone or has changed. The first time a failure is the caller's to hear. */
  async function follow(system: Libc, first: boolean): Promise<void> {
    const present = deps.readInterfaces();
    for (const config of wanted) {
      const { name } = config;
      const nic = findNic(system, present.get(name), config);
      const now = open.get(name);
      if (now && nic && sameNic(now.nic, nic) && !now.lost()) continue;
      if (now) {
        log.warn("the interface went away or changed: closing it", { interface: name });
        open.delete(name);
        await now.close();
      }
      if (!nic) {
        if (!missing.has(name))
          log.warn("no such interface, or it has no IPv4 address: waiting", { interface: name });
        missing.add(name);
        continue;
      }
      missing.delete(name);
      try {
        open.set(name, await openInterface(system, config, nic));
      } catch (error) {
        if (first) throw error;
        const { message, hint } = toAppError(error);
        log.error(message, { interface: name, ...(hint !== undefined && { hint }) });
      }
    }
  }

  async function stop(): Promise<void> {
    stopWatching?.();
    await watching;
    const closing = [...open.values()].map((each) => each.close());
    open.clear();
    await Promise.all(closing);
    await journal.settled();
  }

  return {
    async start() {
      if (wanted.length === 0) return;
      const twice = wanted.find(({ name }, at) => wanted.findIndex((other) => other.name === name) < at);
      if (twice !== undefined) {
        throw new AppError("config", `interface ${twice.name}: DHCP is configured for it twice`, {
          hint: "one entry holds all its networks (relayed) and reservations; further ones say dhcp: off",
        });
      }
      libc ??= openLibc();
      const system = libc;
      try {
        await follow(system, true);
      } catch (error) {
        await stop();
        throw error;
      }
      stopWatching = clock.every(watchInterval, () => {
        watching = watching
          .then(() => follow(system, false))
          .catch((error) => log.error(`watching the interfaces: ${toAppError(error).message}`));
      });
    },
    stop,
    leases: () => [...open.values()].flatMap((each) => each.service.leases()),
    leasesOf: (mac) =>
      [...open.values()].flatMap(({ service }) =>
        service.leasesOf(mac).map(({ address }) => formatIpv4(address)),
      ),
    status: () =>
      [...open].map(([name, each]) => ({
        interface: name,
        address: formatIpv4(each.nic.address),
        ports: each.ports,
        counters: each.service.counters(),
      })),
  };
}

/** The interface as it is now; the configured address where it has several. */
function findNic(libc: Libc, found: HostInterface | undefined, config: InterfaceConfig): Nic | undefined {
  const entry = found?.addresses.find(
    ({ address }) => config.address === undefined || address === config.address,
  );
  const address = readIpv4(entry?.address ?? "");
  const index = libc.interfaceIndex(config.name);
  if (entry === undefined || address === undefined || found?.mac === undefined || index === 0)
    return undefined;
  return { address, prefix: entry.prefix, mac: found.mac, index };
}

const sameNic = (a: Nic, b: Nic) =>
  a.address === b.address && a.prefix === b.prefix && a.index === b.index && a.mac === b.mac;

function deliver(
  socket: NicSocket | undefined,
  packets: PacketSocket | undefined,
  nic: Nic,
  bytes: Uint8Array,
  destination: Destination,
  log: Logger,
): void {
  if (destination.kind === "udp") {
    socket?.send(bytes, destination.address, destination.port);
    return;
  }
  const { mac, address, port } = destination;
  try {
    if (packets) {
      packets.sendTo(mac, {
        source: nic.address,
        sourcePort: 67,
        destination: address,
        destinationPort: port,
        payload: bytes,
      });
      return;
    }
  } catch (error) {
    log.debug(`unicast to ${mac} failed, broadcasting: ${toAppError(error).message}`, { mac });
  }
  // Every client takes a broadcast, wanted or not.
  socket?.send(bytes, everyone, port);
}
