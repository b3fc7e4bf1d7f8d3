import type { Libc } from "./libc.server.ts";

/** A packet socket the event loop waits on. */
export interface PacketWatch {
  /** Closes the descriptor too. */
  close(): void;
}

/**
 * Calls `take` with each packet that comes in on `fd`, the bytes being the callee's to keep only until it returns.
 * Bun has no API for packet sockets; its TCP sockets read any descriptor they are given, one packet a read.
 */
export async function watchPackets(
  libc: Pick<Libc, "close">,
  fd: number,
  take: (packet: Uint8Array) => void,
): Promise<PacketWatch> {
  try {
    const options: Bun.FdSocketOptions = {
      fd,
      socket: {
        binaryType: "uint8array",
        data: (_socket, packet) => take(packet),
        // The interface went down: its owner notices and opens another.
        error() {},
      },
    };
    // checked: Bun has a type for this way to connect, and its `connect` leaves it out
    const socket = await Bun.connect(options as Bun.FdSocketOptions & Bun.UnixSocketOptions<undefined>);
    return { close: () => socket.terminate() };
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}
