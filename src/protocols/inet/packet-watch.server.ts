import type { Libc } from "./libc.server.ts";

/** A socket of packets that the event loop waits on. */
export interface PacketWatch {
  /** Part of `bytes` to whom the socket is connected; false: not now, `writable` is told when to try again. */
  write(bytes: Uint8Array, from: number, length: number): boolean;
  /** Closes the descriptor too. */
  close(): void;
}

export interface PacketWatchEvents {
  writable?(): void;
  /** The descriptor was closed for an error: whom it is connected to is not there, or its interface went down. */
  lost?(): void;
}

/**
 * Calls `take` with each packet that comes in on `fd`, the bytes being the callee's to keep only until it returns.
 * Bun has no API for packet sockets, and for UDP one that asks the kernel twice for each datagram and makes text of
 * its sender; its TCP sockets read any descriptor they are given, one packet a read. An empty packet would be taken
 * for the end: whoever may get one has to filter it out.
 */
export async function watchPackets(
  libc: Pick<Libc, "close">,
  fd: number,
  take: (packet: Uint8Array) => void,
  on: PacketWatchEvents = {},
): Promise<PacketWatch> {
  let closed = false;
  try {
    const options: Bun.FdSocketOptions = {
      fd,
      socket: {
        binaryType: "uint8array",
        data: (_socket, packet) => take(packet),
        drain: () => on.writable?.(),
        close() {
          if (!closed) on.lost?.();
        },
        error() {}, // closed next
      },
    };
    // checked: Bun has a type for this way to connect, and its `connect` leaves it out
    const socket = await Bun.connect(options as Bun.FdSocketOptions & Bun.UnixSocketOptions<undefined>);
    return {
      write: (bytes, from, length) => socket.write(bytes, from, length) === length,
      close() {
        closed = true;
        socket.terminate();
      },
    };
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}
