import type { Clock } from "../../platform/clock.ts";
import { type Mac, macToBytes } from "../../platform/mac.ts";
import type { Ipv4 } from "../inet/ipv4.ts";
import { type Libc, SystemCallError } from "../inet/libc.server.ts";
import { type PacketWatch, watchPackets } from "../inet/packet-watch.server.ts";
import { decodeArp, encodeArpProbe } from "./arp.ts";
import { decodeUdpPacket, encodeUdpPacket, type UdpDatagram } from "./frame.ts";
import { ETH_P_IP, linkAddress, openClientPort, openPackets } from "./packet-port.server.ts";

/** What DHCP needs below UDP on one interface. Wants CAP_NET_RAW. */
export interface PacketSocket {
  /** One datagram straight to a MAC that does not answer ARP yet. @throws SystemCallError */
  sendTo(mac: Mac, datagram: UdpDatagram): void;
  /** Who answers for `address` within a few tenths of a second; `undefined`: nobody. */
  probe(address: Ipv4): Promise<Mac | undefined>;
  close(): void;
}

const ETH_P_ARP = 0x0806;
const everyMac = Uint8Array.of(255, 255, 255, 255, 255, 255);
/** Bytes that wait while we are busy elsewhere. */
const receiveBuffer = 256 << 10;

/** A probe is sent twice, this many milliseconds apart, and waited for as long again. */
const probeInterval = 150;

export interface PacketSocketEvents {
  /** A datagram to port 68 that another sent on this wire: the answer of another server. */
  overheard(datagram: UdpDatagram): void;
  /** The interface went down, if only for a moment: it neither sends nor hears any more, and has to be opened anew. */
  lost(): void;
}

/** @throws SystemCallError */
export async function openPacketSocket(
  libc: Libc,
  nic: { index: number; mac: Mac },
  clock: Clock,
  on: PacketSocketEvents,
): Promise<PacketSocket> {
  const listening = openClientPort(libc, nic.index, { everything: false, buffer: receiveBuffer });
  let open = true;
  const watch = await watchPackets(
    libc,
    listening,
    (packet) => {
      const datagram = decodeUdpPacket(packet);
      if (datagram) on.overheard(datagram);
    },
    {
      lost() {
        open = false;
        on.lost();
      },
    },
  );
  const waiting = new Map<Ipv4, ((mac: Mac | undefined) => void)[]>();
  let arp: { fd: number; watch: Promise<PacketWatch> } | undefined;
  const timers = new Set<() => void>();

  function settle(address: Ipv4, mac: Mac | undefined): void {
    const waiters = waiting.get(address) ?? [];
    waiting.delete(address);
    if (waiting.size === 0 && arp) {
      arp.watch.then((open) => open.close(), ignore);
      arp = undefined;
    }
    for (const resolve of waiters) resolve(mac);
  }

  /** Open only while something is being asked: nobody wants the wire's ARP otherwise. */
  function openArp(): { fd: number; watch: Promise<PacketWatch> } {
    const fd = openPackets(libc);
    libc.bind(fd, linkAddress(nic.index, ETH_P_ARP));
    const opening = watchPackets(
      libc,
      fd,
      (packet) => {
        const said = decodeArp(packet);
        if (said && waiting.has(said.address) && said.mac !== nic.mac) settle(said.address, said.mac);
      },
      {
        lost() {
          if (arp?.fd === fd) arp = undefined;
        },
      },
    );
    // Not heard is not answered.
    opening.catch(ignore);
    return { fd, watch: opening };
  }

  const later = (ms: number, run: () => void) => {
    const cancel = clock.after(ms, () => {
      timers.delete(cancel);
      run();
    });
    timers.add(cancel);
  };

  return {
    sendTo(mac, datagram) {
      // The descriptor's number may be another connection's by now.
      if (!open) throw new SystemCallError("sendto", "ENETDOWN");
      const to = linkAddress(nic.index, ETH_P_IP, macToBytes(mac));
      libc.sendTo(listening, encodeUdpPacket(datagram), to);
    },
    probe(address) {
      const { promise, resolve } = Promise.withResolvers<Mac | undefined>();
      const others = waiting.get(address);
      if (others) {
        others.push(resolve);
        return promise;
      }
      const ask = () => {
        if (!arp || !waiting.has(address)) return;
        try {
          libc.sendTo(arp.fd, encodeArpProbe(nic.mac, address), linkAddress(nic.index, ETH_P_ARP, everyMac));
        } catch {
          // Not sent is not answered.
        }
      };
      try {
        arp ??= openArp();
      } catch {
        return Promise.resolve(undefined);
      }
      waiting.set(address, [resolve]);
      ask();
      later(probeInterval, ask);
      later(probeInterval * 2, () => settle(address, undefined));
      return promise;
    },
    close() {
      open = false;
      for (const cancel of timers) cancel();
      for (const address of [...waiting.keys()]) settle(address, undefined);
      watch.close();
    },
  };
}

const ignore = () => {};
