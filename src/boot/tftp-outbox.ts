import type { Run } from "./tftp-packets.ts";

/** Packets of `run` from its `index`-th on. */
export interface Outgoing {
  run: Run;
  index: number;
  count: number;
}

/** Sends on one socket. What the kernel cannot take now waits for it, up to a bound. */
export interface Outbox<Item extends Outgoing> {
  send(item: Item): void;
  /** To be called when the socket reports that it can take more: whether it took any of what waits. */
  drain(): boolean;
  /** Forgets what waits: retransmission mends it. */
  clear(): void;
}

/** `hand` answers how many of the packets the kernel took. At most `most` sends wait, further ones are lost. */
export function createOutbox<Item extends Outgoing>(
  hand: (item: Item) => number,
  most: number,
): Outbox<Item> {
  let waiting: Item[] = [];
  return {
    send(item) {
      const sent = waiting.length > 0 ? 0 : hand(item);
      if (sent < item.count && waiting.length < most) waiting.push(rest(item, sent));
    },
    drain() {
      let taken = waiting.length === 0;
      while (waiting[0] !== undefined) {
        const item = waiting[0];
        const sent = hand(item);
        taken ||= sent > 0;
        if (sent < item.count) {
          waiting[0] = rest(item, sent);
          break;
        }
        waiting.shift();
      }
      return taken;
    },
    clear() {
      waiting = [];
    },
  };
}

function rest<Item extends Outgoing>(item: Item, sent: number): Item {
  return { ...item, index: item.index + sent, count: item.count - sent };
}

/** One packet as a run of its own. */
export function packetRun(bytes: Uint8Array): Run {
  return { first: 0, count: 1, bytes, stride: Math.max(1, bytes.length) };
}
