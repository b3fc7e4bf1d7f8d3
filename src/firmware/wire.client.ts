import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import { decodeUdpPacket } from "../protocols/dhcp4/frame.ts";
import { type DhcpPacket, decodePacket, encodePacket } from "../protocols/dhcp4/packet.ts";
import { openClientPort } from "../protocols/dhcp4/packet-port.server.ts";
import { type NicSocket, openNicSocket } from "../protocols/dhcp4/udp-nic.server.ts";
import { formatIpv4, type Ipv4, readIpv4 } from "../protocols/inet/ipv4.ts";
import { explainOpenFailure, type Libc, openLibc } from "../protocols/inet/libc.server.ts";
import { type PacketWatch, watchPackets } from "../protocols/inet/packet-watch.server.ts";
import type { Sending } from "./dhcp-client.ts";

export interface Reply {
  packet: DhcpPacket;
  from: Ipv4;
}

/** One interface on which simulated machines speak DHCP; the host's own addresses stay as they are. */
export interface Wire {
  send(sending: Sending): void;
  /** Calls `take` with what is answered to this transaction, until the returned function is called. */
  listen(xid: number, take: (reply: Reply) => void): () => void;
  /** Asks a boot server on 4011 from `local`; the answers come to whoever listens for its transaction. */
  ask(sending: Sending, local: string, port: number): Promise<void>;
  close(): Promise<void>;
}

const clientPort = 68;
const receiveBuffer = 4 << 20;
/** A question on 4011 is waited for this long, in milliseconds, before its socket is closed. */
const askedFor = 15_000;

/**
 * What servers answer is taken off the wire below UDP, also what is meant for a MAC that is not ours and what a
 * server on this very host sends. @throws AppError
 */
export async function openWire(device: string, clock: Clock): Promise<Wire> {
  const libc = openLibc();
  const index = libc.interfaceIndex(device);
  if (index === 0) {
    throw new AppError("not-found", `there is no interface ${device}`, {
      hint: "ip link shows which there are",
    });
  }
  const listeners = new Map<number, (reply: Reply) => void>();
  const asking = new Set<() => void>();
  const take = (payload: Uint8Array, from: Ipv4) => {
    const decoded = decodePacket(payload);
    if (decoded.kind === "packet") listeners.get(decoded.packet.xid)?.({ packet: decoded.packet, from });
  };
  let watch: PacketWatch | undefined;
  let socket: NicSocket;
  try {
    watch = await watchPackets(
      libc,
      openClientPort(libc, index, { everything: true, buffer: receiveBuffer }),
      (packet) => {
        const datagram = decodeUdpPacket(packet);
        if (datagram) take(datagram.payload, datagram.source);
      },
    );
    socket = await openSender(libc, device);
  } catch (error) {
    watch?.close();
    throw explainOpenFailure(error, `a packet socket on ${device}`);
  }

  const encode = ({ packet }: Sending) => encodePacket(packet, 1472).bytes;
  return {
    send: (sending) => socket.send(encode(sending), sending.to, sending.port),
    listen(xid, taker) {
      listeners.set(xid, taker);
      return () => void listeners.delete(xid);
    },
    async ask(sending, local, port) {
      const handlers = {
        data: (_: unknown, bytes: Uint8Array, __: number, from: string) => {
          const address = readIpv4(from);
          if (address !== undefined) take(bytes, address);
        },
        error() {},
      };
      const open = (wanted: number) =>
        Bun.udpSocket({ hostname: local, port: wanted, binaryType: "uint8array", socket: handlers });
      // A proxy on this host has 4011 itself, a DHCP client 68; servers answer whatever port asked.
      const asker = await open(port).catch(() => open(0));
      asker.send(encode(sending), sending.port, formatIpv4(sending.to));
      const close = () => {
        cancel();
        asking.delete(close);
        asker.close();
      };
      const cancel = clock.after(askedFor, () => close());
      asking.add(close);
    },
    async close() {
      for (const end of asking) end();
      watch.close();
      await socket.close();
    },
  };
}

/** From port 68 as a client's, or from any where a DHCP client of this host holds that. */
async function openSender(libc: Libc, device: string): Promise<NicSocket> {
  const handlers = { datagram() {}, error() {} };
  try {
    return await openNicSocket(libc, device, clientPort, handlers);
  } catch {
    return openNicSocket(libc, device, 0, handlers);
  }
}
