/** What happens to each datagram, in either direction. */
export interface Impairment {
  /** Share of datagrams that vanish, 0 to 1. */
  loss: number;
  /** Milliseconds each one is held, before jitter. */
  delayMs?: number;
  /** Up to so many milliseconds more, so that datagrams overtake each other. */
  jitterMs?: number;
  /** Share of datagrams that arrive twice, 0 to 1. */
  duplicates?: number;
  /** The same seed drops the same datagrams. */
  seed?: number;
}

export interface ImpairingUdpProxy {
  address: string;
  port: number;
  /** Datagrams so far. */
  stats(): { forwarded: number; dropped: number };
  stop(): void;
}

type Socket = Bun.udp.Socket<"buffer">;

/**
 * A bad cable for UDP in user space: clients talk to it, it talks to `target`. A server may answer from other
 * ports than the one it was asked on, as TFTP does: each such port gets one of its own on the client's side.
 */
export async function createImpairingUdpProxy(
  target: { address: string; port: number },
  impairment: Impairment,
  listen: { address: string; port?: number } = { address: "127.0.0.1" },
): Promise<ImpairingUdpProxy> {
  const { loss, delayMs = 0, jitterMs = 0, duplicates = 0, seed = 1 } = impairment;
  const random = createRandom(seed);
  const upstreams = new Map<string, Promise<Socket>>();
  const sockets = new Set<Socket>();
  const timers = new Set<ReturnType<typeof setTimeout>>();
  let [forwarded, dropped, stopped] = [0, 0, false];

  function impair(deliver: () => void): void {
    if (random() < loss) {
      dropped++;
      return;
    }
    const copies = random() < duplicates ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const wait = delayMs + random() * jitterMs;
      forwarded++;
      if (wait === 0) {
        deliver();
        continue;
      }
      const timer = setTimeout(() => {
        timers.delete(timer);
        deliver();
      }, wait);
      timers.add(timer);
    }
  }

  async function open(
    hostname: string,
    port: number,
    onData: (data: Buffer, port: number, address: string) => void,
  ): Promise<Socket> {
    const socket = await Bun.udpSocket({
      hostname,
      port,
      socket: { data: (_socket, data, from, address) => onData(data, from, address), error: () => {} },
    });
    if (stopped) socket.close();
    else sockets.add(socket);
    return socket;
  }

  function send(socket: Socket, data: Buffer, port: number, address: string): void {
    impair(() => {
      if (stopped) return;
      try {
        socket.send(data, port, address);
      } catch {
        dropped++; // nobody listens there any more
      }
    });
  }

  /** The socket that stands for one client towards the server. */
  function upstreamFor(clientPort: number, clientAddress: string): Promise<Socket> {
    const key = `${clientAddress} ${clientPort}`;
    const known = upstreams.get(key);
    if (known) return known;
    const doors = new Map<string, Promise<Socket>>();
    const upstream = open(
      listen.address === "0.0.0.0" ? "0.0.0.0" : listen.address,
      0,
      (data, port, address) => {
        if (port === target.port) return send(front, data, clientPort, clientAddress);
        const remote = `${address} ${port}`;
        let door = doors.get(remote);
        if (!door) {
          door = open(
            listen.address,
            0,
            (answer) => void upstream.then((up) => send(up, answer, port, address)),
          );
          doors.set(remote, door);
        }
        void door.then((socket) => send(socket, data, clientPort, clientAddress));
      },
    );
    upstreams.set(key, upstream);
    return upstream;
  }

  const front = await open(listen.address, listen.port ?? 0, (data, port, address) => {
    void upstreamFor(port, address).then((up) => send(up, data, target.port, target.address));
  });

  return {
    address: listen.address,
    port: front.port,
    stats: () => ({ forwarded, dropped }),
    stop() {
      stopped = true;
      for (const timer of timers) clearTimeout(timer);
      for (const socket of sockets) socket.close();
    },
  };
}

/** Repeatable randomness in 0…1 (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
