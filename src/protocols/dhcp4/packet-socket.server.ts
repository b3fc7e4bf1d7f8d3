import type { Clock } from "../../platform/clock.ts";
import { type Mac, macToBytes } from "../../platform/mac.ts";
import { decodeArp, encodeArpProbe } from "./arp.ts";
import { decodeUdpPacket, encodeUdpPacket, type UdpDatagram } from "./frame.ts";
import type { Ipv4 } from "./ipv4.ts";
import type { Libc } from "./libc.server.ts";
import { int32 } from "./udp-nic.server.ts";

/** What DHCP needs below UDP on one interface. Wants CAP_NET_RAW. */
export interface PacketSocket {
  /** One datagram straight to a MAC that does not answer ARP yet. @throws SystemCallError */
  sendTo(mac: Mac, datagram: UdpDatagram): void;
  /** Who answers for `address` within a few tenths of a second; `undefined`: nobody. */
  probe(address: Ipv4): Promise<Mac | undefined>;
  close(): void;
}

const AF_PACKET = 17;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
const ETH_P_IP = 0x0800;
const ETH_P_ARP = 0x0806;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_ATTACH_FILTER = 26;
const everyMac = Uint8Array.of(255, 255, 255, 255, 255, 255);

/** A probe is sent twice, this many milliseconds apart, and waited for as long again. */
const probeInterval = 150;
/** Bun cannot wait on these sockets, so they are looked into this often, in milliseconds. */
const arpPoll = 15;
const overhearPoll = 200;

/**
 * @param overheard gets every datagram to port 68 that others send on this wire: the answers of other servers.
 * @throws SystemCallError
 */
export function openPacketSocket(
  libc: Libc,
  nic: { index: number; mac: Mac },
  clock: Clock,
  overheard: (datagram: UdpDatagram) => void,
): PacketSocket {
  const listening = openFiltered(libc, nic.index);
  const buffer = new Uint8Array(2048);
  const waiting = new Map<Ipv4, ((mac: Mac | undefined) => void)[]>();
  let arp: { fd: number; stop: () => void } | undefined;
  const timers = new Set<() => void>();

  const drain = (fd: number, take: (packet: Uint8Array) => void) => {
    // At most as much as the buffer holds, so that a flood cannot keep us here.
    for (let n = 0; n < 256; n++) {
      const length = receive(fd);
      if (length === undefined) return;
      take(buffer.subarray(0, length));
    }
  };
  const receive = (fd: number) => {
    try {
      return libc.receive(fd, buffer);
    } catch {
      // The interface went down: its owner notices and opens us again.
      return undefined;
    }
  };
  const stopListening = clock.every(overhearPoll, () =>
    drain(listening, (packet) => {
      const datagram = decodeUdpPacket(packet);
      if (datagram) overheard(datagram);
    }),
  );

  function settle(address: Ipv4, mac: Mac | undefined): void {
    const waiters = waiting.get(address) ?? [];
    waiting.delete(address);
    if (waiting.size === 0 && arp) {
      arp.stop();
      libc.close(arp.fd);
      arp = undefined;
    }
    for (const resolve of waiters) resolve(mac);
  }

  /** Open only while something is being asked: nobody wants the wire's ARP otherwise. */
  function openArp(): { fd: number; stop: () => void } {
    const fd = libc.socket(AF_PACKET, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
    libc.bind(fd, linkAddress(nic.index, ETH_P_ARP));
    const stop = clock.every(arpPoll, () => {
      const found: { mac: Mac; address: Ipv4 }[] = [];
      drain(fd, (packet) => {
        const said = decodeArp(packet);
        if (said && waiting.has(said.address) && said.mac !== nic.mac) found.push(said);
      });
      for (const { mac, address } of found) settle(address, mac);
    });
    return { fd, stop };
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
      stopListening();
      for (const cancel of timers) cancel();
      for (const address of [...waiting.keys()]) settle(address, undefined);
      libc.close(listening);
    },
  };
}

/** struct sockaddr_ll. */
function linkAddress(index: number, protocol: number, mac: Uint8Array = new Uint8Array(0)): Uint8Array {
  const address = new Uint8Array(20);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, protocol);
  view.setInt32(4, index, true);
  address[11] = mac.length;
  address.set(mac, 12);
  return address;
}

/**
 * Takes in nothing but unfragmented UDP to port 68, judged in the kernel: the wire of an installing lab carries
 * gigabits that are none of our business.
 */
function openFiltered(libc: Libc, index: number): number {
  const program = filter([
    [0x30, 0, 0, 9], // A = protocol
    [0x15, 0, 6, 17], // UDP, or drop
    [0x28, 0, 0, 6], // A = flags and fragment offset
    [0x45, 4, 0, 0x1fff], // a later fragment: drop
    [0xb1, 0, 0, 0], // X = length of the IP header
    [0x48, 0, 0, 2], // A = destination port
    [0x15, 0, 1, 68], // 68, or drop
    [0x06, 0, 0, 0xffff], // take it
    [0x06, 0, 0, 0], // drop it
  ]);
  // struct sock_fprog: a count, and on 64-bit machines a pointer eight bytes in.
  const descriptor = new Uint8Array(16);
  const view = new DataView(descriptor.buffer);
  view.setUint16(0, program.length / 8, true);
  view.setBigUint64(8, BigInt(libc.addressOf(program)), true);
  const fd = libc.socket(AF_PACKET, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
  try {
    libc.setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, descriptor);
    libc.setOption(fd, SOL_SOCKET, SO_RCVBUF, int32(256 << 10));
    libc.bind(fd, linkAddress(index, ETH_P_IP));
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return fd;
}

/** struct sock_filter[]: code, jump if true, jump if false, operand. */
function filter(instructions: readonly (readonly [number, number, number, number])[]): Uint8Array {
  const program = new Uint8Array(instructions.length * 8);
  const view = new DataView(program.buffer);
  instructions.forEach(([code, ifTrue, ifFalse, operand], n) => {
    view.setUint16(n * 8, code, true);
    program[n * 8 + 2] = ifTrue;
    program[n * 8 + 3] = ifFalse;
    view.setUint32(n * 8 + 4, operand, true);
  });
  return program;
}
