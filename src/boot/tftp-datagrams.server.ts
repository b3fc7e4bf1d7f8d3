import { dlopen, ptr } from "bun:ffi";
import type { Run } from "./tftp-packets.ts";

export interface Peer {
  address: string;
  port: number;
  /** `struct sockaddr_in`; `undefined` for IPv6. */
  sockaddr: Uint8Array | undefined;
}

/** Sends on one UDP socket. What the kernel cannot take now waits for it, up to a bound. */
export interface Datagrams {
  send(bytes: Uint8Array, peer: Peer): void;
  /** Packets of `run` from its `index`-th on. */
  sendRun(run: Run, index: number, count: number, peer: Peer): void;
  /** To be called when the socket reports that it can take more. */
  drain(): void;
}

/** Hands many packets of equal length to the kernel in one call; answers whether it took them. */
export type Segmenter = (
  fd: number,
  bytes: Uint8Array,
  from: number,
  to: number,
  stride: number,
  peer: Uint8Array,
) => boolean;

type UdpSocket = Bun.udp.Socket<"uint8array">;

/** Sends that wait for room in the socket's buffer; beyond that, retransmission mends what was dropped. */
const maxWaiting = 4096;

export function createDatagrams(socket: UdpSocket, segmenter: Segmenter | undefined): Datagrams {
  const waiting: { run: Run; index: number; count: number; peer: Peer }[] = [];
  const fd = descriptorOf(socket);
  let segmenting = segmenter !== undefined && fd >= 0;

  /** How many of the packets the kernel took. */
  function hand(run: Run, index: number, count: number, peer: Peer): number {
    let done = 0;
    while (segmenter !== undefined && segmenting && peer.sockaddr !== undefined && done < count) {
      const some = Math.min(count - done, maxSegments, Math.floor(maxDatagram / run.stride));
      const from = (index + done) * run.stride;
      const to = Math.min(from + some * run.stride, run.bytes.length);
      if (segmenter(fd, run.bytes, from, to, run.stride, peer.sockaddr)) {
        done += some;
      } else {
        // no room, or a path this kernel cannot segment for: the second ends segmenting for this socket
        const sent = handSingly(run, index + done, some, peer);
        if (sent === some) segmenting = false;
        else return done + sent;
        done += sent;
      }
    }
    return done < count ? done + handSingly(run, index + done, count - done, peer) : done;
  }

  function handSingly(run: Run, index: number, count: number, peer: Peer): number {
    const packets: (Uint8Array | number | string)[] = [];
    for (let n = index; n < index + count; n++) {
      packets.push(run.bytes.subarray(n * run.stride, (n + 1) * run.stride), peer.port, peer.address);
    }
    // a send may report, and thereby clear, the ICMP error of an earlier packet: to a stranger, say
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        return socket.sendMany(packets);
      } catch {}
    }
    return count; // lost: retransmission mends it
  }

  function sendRun(run: Run, index: number, count: number, peer: Peer): void {
    const sent = waiting.length > 0 ? 0 : hand(run, index, count, peer);
    if (sent < count && waiting.length < maxWaiting) {
      waiting.push({ run, index: index + sent, count: count - sent, peer });
    }
  }

  return {
    sendRun,
    send(bytes, peer) {
      sendRun({ first: 0, count: 1, bytes, stride: Math.max(1, bytes.length) }, 0, 1, peer);
    },
    drain() {
      for (const { run, index, count, peer } of waiting.splice(0)) sendRun(run, index, count, peer);
    },
  };
}

/** Bun's UDP sockets have their descriptor, though not in their type; -1 where that should change. */
function descriptorOf(socket: object): number {
  return "fd" in socket && typeof socket.fd === "number" ? socket.fd : -1;
}

/** An IPv4 peer with its `struct sockaddr_in`. */
export function createPeer(address: string, port: number): Peer {
  const parts = address.split(".").map(Number);
  if (parts.length !== 4) return { address, port, sockaddr: undefined };
  const sockaddr = new Uint8Array(steadyBuffer(16));
  sockaddr.set([2, 0, port >> 8, port & 0xff, ...parts]);
  return { address, port, sockaddr };
}

/** Memory whose address stays: the engine moves the bytes of a small typed array it allocated itself. */
function steadyBuffer(bytes: number): ArrayBuffer {
  return new ArrayBuffer(bytes);
}

/** Kernel's bounds of one segmented send: UDP_MAX_SEGMENTS and an IPv4 datagram's payload. */
const maxSegments = 64;
const maxDatagram = 65507;

const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const MSG_DONTWAIT = 0x40;

/**
 * UDP segmentation offload (Linux 4.18, `UDP_SEGMENT` of udp(7)): a whole window costs one system call and one
 * walk through the network stack. `undefined` where the C library cannot be reached.
 */
export function createSegmenter(): Segmenter | undefined {
  const sendmsg = loadSendmsg();
  if (sendmsg === undefined) return undefined;
  // struct msghdr, struct iovec and one control message, as 64-bit Linux lays them out, little-endian
  const scratch = new Uint32Array(steadyBuffer(4 * (14 + 4 + 6)));
  const [message, vector, control] = [0, 14, 18];
  const base = ptr(scratch);
  const put64 = (at: number, value: number) => {
    scratch[at] = value % 2 ** 32;
    scratch[at + 1] = Math.floor(value / 2 ** 32);
  };
  scratch[message + 2] = 16; // msg_namelen
  put64(message + 4, base + vector * 4); // msg_iov
  put64(message + 6, 1); // msg_iovlen
  put64(control, 18); // cmsg_len
  scratch[control + 2] = SOL_UDP;
  scratch[control + 3] = UDP_SEGMENT;
  return (fd, bytes, from, to, stride, peer) => {
    const segmented = to - from > stride;
    put64(message, ptr(peer));
    put64(message + 8, segmented ? base + control * 4 : 0);
    put64(message + 10, segmented ? 24 : 0);
    put64(vector, ptr(bytes) + from);
    put64(vector + 2, to - from);
    scratch[control + 4] = stride;
    return sendmsg(fd, base, MSG_DONTWAIT) === to - from;
  };
}

function loadSendmsg() {
  try {
    // ssize_t, which 32 bits hold: a datagram's length or -1
    return dlopen("libc.so.6", { sendmsg: { args: ["i32", "ptr", "i32"], returns: "i32" } }).symbols.sendmsg;
  } catch {
    return undefined;
  }
}
