import { type Ipv4, ipv4Bytes } from "./ipv4.ts";
import type { Libc } from "./libc.server.ts";

const AF_INET = 2;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
export const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;

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

/** As large as asked for where we may (CAP_NET_ADMIN), else as `net.core.rmem_max` allows. */
export function setReceiveBuffer(libc: Libc, fd: number, bytes: number): void {
  try {
    libc.setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, int32(bytes));
  } catch {
    libc.setOption(fd, SOL_SOCKET, SO_RCVBUF, int32(bytes));
  }
}
