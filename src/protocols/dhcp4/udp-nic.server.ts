import { createSocket } from "node:dgram";
import { type Ipv4, ipv4Bytes, readIpv4, unspecified } from "./ipv4.ts";
import type { Libc } from "./libc.server.ts";

/** A UDP port on one interface: hears broadcasts that came in there, and what it sends leaves there. */
export interface NicSocket {
  send(bytes: Uint8Array, address: Ipv4, port: number): void;
  close(): Promise<void>;
}

export interface NicSocketHandlers {
  datagram(bytes: Uint8Array, from: { address: Ipv4; port: number }): void;
  /** A send or the socket itself failed. */
  error(error: Error): void;
}

const AF_INET = 2;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
export const SOL_SOCKET = 1;
const SO_BROADCAST = 6;
const SO_RCVBUF = 8;
const SO_BINDTODEVICE = 25;
const SO_RCVBUFFORCE = 33;
/** A rack that is switched on at once sends more than the kernel's 200 KiB hold while a commit is under way. */
const receiveBuffer = 4 << 20;

/** As large as asked for where we may (CAP_NET_ADMIN), else as `net.core.rmem_max` allows. */
export function setReceiveBuffer(libc: Libc, fd: number, bytes: number): void {
  try {
    libc.setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, int32(bytes));
  } catch {
    libc.setOption(fd, SOL_SOCKET, SO_RCVBUF, int32(bytes));
  }
}

/**
 * Bound to the device before it is bound to the port, so that no other interface's packet ever gets in. Without
 * SO_REUSEADDR: a port another server holds is to be noticed, not shared.
 * @throws SystemCallError
 */
export async function openNicSocket(
  libc: Libc,
  device: string,
  port: number,
  handlers: NicSocketHandlers,
): Promise<NicSocket> {
  const fd = openUdp(libc);
  try {
    libc.setOption(fd, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${device}\0`));
    libc.setOption(fd, SOL_SOCKET, SO_BROADCAST, int32(1));
    setReceiveBuffer(libc, fd, receiveBuffer);
    libc.bind(fd, socketAddress(unspecified, port));
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  const socket = createSocket("udp4");
  socket.on("error", handlers.error);
  socket.on("message", (bytes, remote) => {
    const address = readIpv4(remote.address);
    if (address !== undefined) handlers.datagram(bytes, { address, port: remote.port });
  });
  const bound = Promise.withResolvers<void>();
  socket.once("error", bound.reject);
  socket.bind({ fd }, () => bound.resolve());
  await bound.promise;
  socket.off("error", bound.reject);
  let open = true;
  return {
    send(bytes, address, to) {
      if (!open) return;
      // Not through the socket object, which looks up what is an address already and sends a turn later.
      try {
        libc.sendTo(fd, bytes, socketAddress(address, to));
      } catch (error) {
        handlers.error(error instanceof Error ? error : new Error(String(error)));
      }
    },
    close() {
      open = false;
      const closed = Promise.withResolvers<void>();
      socket.close(() => closed.resolve());
      return closed.promise;
    },
  };
}

/** A UDP socket over IPv4 that is bound to nothing yet. @throws SystemCallError */
export const openUdp = (libc: Libc) => libc.socket(AF_INET, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);

/** struct sockaddr_in. */
export function socketAddress(address: Ipv4, port: number): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set([AF_INET, 0, port >> 8, port & 255, ...ipv4Bytes(address)]);
  return bytes;
}

export function int32(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}
