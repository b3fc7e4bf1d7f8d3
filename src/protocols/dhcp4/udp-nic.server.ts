import { createSocket } from "node:dgram";
import { type Ipv4, readIpv4, unspecified } from "../inet/ipv4.ts";
import type { Libc } from "../inet/libc.server.ts";
import { int32, openUdp, SOL_SOCKET, setReceiveBuffer, socketAddress } from "../inet/socket.server.ts";

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

const SO_BROADCAST = 6;
const SO_BINDTODEVICE = 25;
/** A rack that is switched on at once sends more than the kernel's 200 KiB hold while a commit is under way. */
const receiveBuffer = 4 << 20;

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
