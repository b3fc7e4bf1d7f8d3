import { readFileSync } from "node:fs";
import { AppError } from "../platform/errors.ts";
import type { HostInterface, InterfaceReader } from "../protocols/inet/interfaces.client.ts";
import type { Libc } from "../protocols/inet/libc.server.ts";
import { setReceiveBuffer } from "../protocols/inet/socket.server.ts";
import { createOutbox, type Outgoing } from "./tftp-outbox.ts";

export interface TftpListen {
  /** One address of ours: replies leave from it. */
  address: string;
  /** 69 unless said otherwise; 0 picks a free one. */
  port?: number;
  /** Of the path to the clients, in bytes; unless said otherwise the link's, and 1500 at most. */
  mtu?: number;
}

/** Packets and the client they are for. */
export interface Addressed extends Outgoing {
  client: { address: string; port: number };
}

export interface Listener {
  address: string;
  port: number;
  mtu: number;
  send(packets: Addressed): void;
  close(): void;
}

/** A rack that is switched on at once asks all at once. */
const receiveBuffer = 4 << 20;
/** Sends that wait for room in the socket's buffer. */
const maxWaiting = 4096;

/** The port requests come to. Throws `conflict` where it cannot be had. */
export async function openListener(
  libc: Libc,
  readInterfaces: InterfaceReader,
  listen: TftpListen,
  onDatagram: (listener: Listener, datagram: Uint8Array, port: number, address: string) => void,
): Promise<Listener> {
  const { address, port = 69, mtu = linkMtu(readInterfaces, address) } = listen;
  let listener: Listener | undefined;
  try {
    const socket = await Bun.udpSocket({
      hostname: address,
      port,
      binaryType: "uint8array",
      socket: {
        data: (_socket, datagram, fromPort, from) =>
          listener && onDatagram(listener, datagram, fromPort, from),
        drain: () => void outbox.drain(),
        error: () => {}, // an ICMP error for some answer: its transfer's timeout deals with it
      },
    });
    setReceiveBuffer(libc, descriptorOf(socket), receiveBuffer);
    const outbox = createOutbox<Addressed>((packets) => hand(socket, packets), maxWaiting);
    listener = { address, port: socket.port, mtu, send: outbox.send, close: () => socket.close() };
    return listener;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError("conflict", `TFTP cannot listen on ${address} port ${port}: ${reason}`, {
      hint: `see who has the port (ss -ulpn 'sport = :${port}') and whether the address is this host's (ip address)`,
      cause,
    });
  }
}

/** Bun's UDP sockets have their descriptor, though not in their type. */
export function descriptorOf(socket: object): number {
  if ("fd" in socket && typeof socket.fd === "number") return socket.fd;
  throw new Error("a UDP socket does not tell its descriptor");
}

/** How many of the packets the kernel took. */
function hand(socket: Bun.udp.Socket<"uint8array">, { run, index, count, client }: Addressed): number {
  const packets: (Uint8Array | number | string)[] = [];
  for (let n = index; n < index + count; n++) {
    packets.push(run.bytes.subarray(n * run.stride, (n + 1) * run.stride), client.port, client.address);
  }
  // a send may report, and thereby clear, the ICMP error of an earlier packet: to a stranger, say
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      return socket.sendMany(packets);
    } catch {}
  }
  return count; // lost: retransmission mends it
}

/** A jumbo frame that some switch on the way drops is a boot that hangs: never more than Ethernet's own. */
const ethernetMtu = 1500;

function linkMtu(readInterfaces: InterfaceReader, address: string): number {
  const has = ([, { addresses }]: [string, HostInterface]) =>
    addresses.some((each) => each.address === address);
  const name = [...readInterfaces()].find(has)?.[0];
  if (name === undefined) return ethernetMtu;
  try {
    const mtu = Number(readFileSync(`/sys/class/net/${name}/mtu`, "latin1"));
    return mtu > 0 ? Math.min(mtu, ethernetMtu) : ethernetMtu;
  } catch {
    return ethernetMtu; // another namespace's /sys
  }
}
