import { type Ipv4, readIpv4 } from "../protocols/inet/ipv4.ts";
import type { Libc } from "../protocols/inet/libc.server.ts";
import { attachFilter, type Instruction } from "../protocols/inet/packet-filter.server.ts";
import { type PacketWatch, watchPackets } from "../protocols/inet/packet-watch.server.ts";
import { int32, openUdp, SOL_SOCKET, socketAddress } from "../protocols/inet/socket.server.ts";
import { encode, errorCode } from "../protocols/tftp/packet.ts";
import { descriptorOf, type Listener } from "./tftp-listener.server.ts";
import { createOutbox, type Outgoing } from "./tftp-outbox.ts";
import type { Run } from "./tftp-packets.ts";
import type { TftpClient } from "./tftp-source.ts";

/** Where one transfer's packets leave. */
export interface Channel {
  /** Packets of `run` from its `index`-th on. */
  send(run: Run, index: number, count: number): void;
  close(): void;
}

/** From the port that was asked: what comes back comes there too. */
export function sharedChannel(listener: Listener, client: TftpClient): Channel {
  return { send: (run, index, count) => listener.send({ run, index, count, client }), close: () => {} };
}

const SO_REUSEPORT = 15;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;

/** Sends of one transfer that wait for room: more than its window and a retransmission or two never do. */
const maxWaiting = 8;
/** Kernel's bounds of one segmented send: UDP_MAX_SEGMENTS and an IPv4 datagram's payload. */
const maxSegments = 64;
const maxDatagram = 65507;
/** No OACK or ERROR of ours is as long: it would be cut into segments too. */
const minSegment = 512;

/** Drops what is shorter than any packet (a UDP header is 8 bytes, packet.ts wants 4): also the empty one. */
const longEnough: readonly Instruction[] = [
  [0x80, 0, 0, 0], // A = length
  [0x35, 0, 1, 8 + 4], // at least so much, or drop
  [0x06, 0, 0, 0xffff], // take it
  [0x06, 0, 0, 0], // drop it
];

/**
 * A port of this transfer's own: the server's transfer identifier (RFC 1350 §4). The socket that serves it is
 * connected to the client, so that the kernel tells whose datagrams are whose and knows the way back; a second one
 * on the same port answers strangers.
 *
 * `stride` lets packets of that length leave together in one system call where the kernel can: a window costs one
 * walk through the network stack (UDP segmentation offload, Linux 4.18, `UDP_SEGMENT` of udp(7)).
 * @throws SystemCallError
 */
export async function openTransferPort(
  libc: Libc,
  client: TftpClient,
  stride: number | undefined,
  on: { datagram(datagram: Uint8Array): void; unreachable(): void },
): Promise<Channel> {
  const door = await openDoor(client.local);
  let fd = -1;
  try {
    fd = openUdp(libc);
    // only now, with the port taken: sharing from the start, it might have been another transfer's
    for (const each of [door.fd, fd]) libc.setOption(each, SOL_SOCKET, SO_REUSEPORT, int32(1));
    attachFilter(libc, fd, longEnough);
    libc.bind(fd, socketAddress(ipv4(client.local), door.port));
    libc.connect(fd, socketAddress(ipv4(client.address), client.port));
  } catch (error) {
    if (fd >= 0) libc.close(fd);
    door.close();
    throw error;
  }
  let atOnce = stride === undefined ? 1 : segment(libc, fd, stride);
  const outbox = createOutbox<Outgoing>(hand, maxWaiting);
  let watch: PacketWatch | undefined;

  function hand({ run, index, count }: Outgoing): number {
    for (let done = 0; done < count; ) {
      const some = Math.min(count - done, atOnce);
      const from = (index + done) * run.stride;
      const length = Math.min(some * run.stride, run.bytes.length - from);
      if (!watch?.write(run.bytes, from, length)) return done;
      done += some;
    }
    return count;
  }

  function writable(): void {
    if (outbox.drain()) return;
    // there is room and it still takes nothing: a path it cannot segment for, or none at all
    if (atOnce > 1) atOnce = segment(libc, fd, 0);
    else outbox.clear();
    writable();
  }

  try {
    watch = await watchPackets(libc, fd, on.datagram, {
      writable,
      lost() {
        door.close();
        on.unreachable();
      },
    });
  } catch (error) {
    door.close();
    throw error;
  }
  const { close } = watch;
  return {
    send: (run, index, count) => outbox.send({ run, index, count }),
    close() {
      close();
      door.close();
    },
  };
}

/** How many packets of `length` may leave in one call; with 0 the kernel is not to cut what it is given. */
function segment(libc: Libc, fd: number, length: number): number {
  if (length > 0 && length < minSegment) return 1;
  try {
    libc.setOption(fd, SOL_UDP, UDP_SEGMENT, int32(length));
  } catch {
    return 1;
  }
  return length === 0 ? 1 : Math.min(maxSegments, Math.floor(maxDatagram / length));
}

/** Strangers on a transfer's port get this many answers, then silence. */
const maxStrangers = 8;
const wrongPort = encode({
  kind: "ERROR",
  code: errorCode.unknownTransferId,
  message: "unknown transfer ID",
});

/** Takes a free port of `address` and answers whoever comes to it. */
async function openDoor(address: string): Promise<{ fd: number; port: number; close(): void }> {
  let strangers = 0;
  const socket = await Bun.udpSocket({
    hostname: address,
    port: 0,
    socket: {
      data(own, _datagram, port, from) {
        if (strangers++ < maxStrangers) own.send(wrongPort, port, from);
      },
      error() {}, // a stranger that does not listen for its answer
    },
  });
  return { fd: descriptorOf(socket), port: socket.port, close: () => socket.close() };
}

function ipv4(text: string): Ipv4 {
  const address = readIpv4(text);
  if (address === undefined) throw new Error(`${text} is no IPv4 address`);
  return address;
}
