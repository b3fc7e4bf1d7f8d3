/**
 * Many TFTP clients in one process, light enough that the server is what is measured: sockets are driven by
 * epoll, and of a DATA packet only the header is copied unless the content is to be proven.
 *
 * A cable's delay and loss are played here: an ACK leaves a round trip later than its DATA came, and packets of
 * both directions are dropped as the seed says. Time-outs are iPXE's: 0.25 s, doubled up to 10 s.
 *
 * Usage: tftp-client.ts JSON (see Order); prints one JSON line (see Result).
 */
import { dlopen, ptr } from "bun:ffi";
import { z } from "zod";

export const orderSchema = z.strictObject({
  address: z.ipv4(),
  file: z.string(),
  clients: z.int(),
  blksize: z.int(),
  /** 1: the option is not asked for. */
  windowsize: z.int(),
  /** One way, in milliseconds. */
  delayMs: z.number(),
  /** Share of packets dropped in each direction. */
  loss: z.number(),
  seed: z.int(),
  /** Path of what the file should hold: every byte of every client is compared. */
  prove: z.string().optional(),
  /** Give up after so many seconds. */
  limit: z.number(),
});
export type Order = z.infer<typeof orderSchema>;

export const resultSchema = z.object({
  /** From the first request to the last client's last block. */
  seconds: z.number(),
  failures: z.number(),
  /** Why, of the first failure. */
  reason: z.string(),
  bytes: z.number(),
  /** What the server granted. */
  windowsize: z.number(),
  blksize: z.number(),
  /** Times a client had to repeat itself. */
  timeouts: z.number(),
});
export type Result = z.infer<typeof resultSchema>;

if (import.meta.main) {
  console.log(JSON.stringify(await fetchAll(orderSchema.parse(JSON.parse(process.argv[2] ?? "{}")))));
}

interface Client {
  fd: number;
  /** The server's port for this transfer; 0 until it answered. */
  port: number;
  /** Next block wanted, counted from 1. */
  expected: number;
  bytes: number;
  unacknowledged: number;
  gapReported: boolean;
  /** What the client says when nothing comes: -1 the request, otherwise an ACK. */
  lastAck: number;
  repeatAt: number;
  patience: number;
  done: boolean;
}

async function fetchAll(order: Order): Promise<Result> {
  const c = dlopen("libc.so.6", {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
    sendto: { args: ["i32", "ptr", "usize", "i32", "ptr", "u32"], returns: "i32" },
    recvmmsg: { args: ["i32", "ptr", "u32", "i32", "ptr"], returns: "i32" },
    epoll_create1: { args: ["i32"], returns: "i32" },
    epoll_ctl: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
    epoll_wait: { args: ["i32", "ptr", "i32", "i32"], returns: "i32" },
  }).symbols;
  const [nonblocking, truncate] = [0o4000, 0x20];
  const content = order.prove === undefined ? undefined : await Bun.file(order.prove).bytes();
  const random = createRandom(order.seed);
  const lost = () => order.loss > 0 && random() < order.loss;

  // 64 messages: header, one buffer, the sender's address
  const room = content ? 65536 : 512;
  // All in one piece of memory: what the kernel is pointed to lives as long as what is still read here.
  const eventSize = process.arch === "x64" ? 12 : 16;
  const sizes = { headers: 64 * 64, vectors: 64 * 16, names: 64 * 16, small: 64, events: eventSize * 256 };
  const request = encodeRequest(order);
  const memory = new ArrayBuffer(
    Object.values(sizes).reduce((sum, size) => sum + size, 0) + request.length + 64 * room,
  );
  let reserved = 0;
  const reserve = (bytes: number) => {
    reserved += bytes;
    return [memory, reserved - bytes, bytes] as const;
  };
  const headers = new DataView(...reserve(sizes.headers));
  const vectors = new DataView(...reserve(sizes.vectors));
  const names = new Uint8Array(...reserve(sizes.names));
  const events = new DataView(...reserve(sizes.events));
  const target = new Uint8Array(...reserve(16));
  const ack = new Uint8Array(...reserve(48)).subarray(0, 4);
  const requested = new Uint8Array(...reserve(request.length));
  const buffers = new Uint8Array(...reserve(64 * room));
  requested.set(request);
  for (let n = 0; n < 64; n++) {
    vectors.setBigUint64(n * 16, BigInt(ptr(buffers) + n * room), true);
    vectors.setBigUint64(n * 16 + 8, BigInt(room), true);
    headers.setBigUint64(n * 64, BigInt(ptr(names) + n * 16), true);
    headers.setUint32(n * 64 + 8, 16, true);
    headers.setBigUint64(n * 64 + 16, BigInt(ptr(vectors) + n * 16), true);
    headers.setBigUint64(n * 64 + 24, 1n, true);
  }
  const headersAt = ptr(headers);
  target.set([2, 0, 0, 69, ...order.address.split(".").map(Number)]);
  const targetAt = ptr(target);
  ack[1] = 4;
  const ackAt = ptr(ack);
  const requestAt = ptr(requested);
  const eventsAt = ptr(events);
  const dataAt = eventSize - 8;
  const epoll = c.epoll_create1(0);
  const clients: Client[] = [];
  const receiveBuffer = new Int32Array(new ArrayBuffer(4)).fill(1 << 20);
  for (let index = 0; index < order.clients; index++) {
    const fd = c.socket(2, 2 | nonblocking, 0);
    if (fd < 0) throw new Error("no more sockets");
    c.setsockopt(fd, 1, 8, ptr(receiveBuffer), 4);
    events.setUint32(0, 1, true);
    events.setUint32(dataAt, index, true);
    c.epoll_ctl(epoll, 1, fd, eventsAt);
    const start = { port: 0, expected: 1, bytes: 0, unacknowledged: 0, gapReported: false };
    clients.push({ fd, ...start, lastAck: -1, repeatAt: 0, patience: 250, done: false });
  }

  const result: Result = {
    ...{ seconds: 0, failures: 0, reason: "", bytes: 0, timeouts: 0 },
    ...{ windowsize: 1, blksize: 512 },
  };
  /** ACKs on their way through the cable, in the order they arrive. */
  const waiting: { at: number; client: Client; block: number }[] = [];
  let head = 0;
  let open = order.clients;
  const roundTrip = 2 * order.delayMs;

  function transmit(client: Client, block: number): void {
    if (lost()) return;
    const port = client.port || 69;
    target[2] = port >> 8;
    target[3] = port;
    if (block < 0) {
      c.sendto(client.fd, requestAt, request.length, 0, targetAt, 16);
    } else {
      ack[2] = block >> 8;
      ack[3] = block;
      c.sendto(client.fd, ackAt, 4, 0, targetAt, 16);
    }
  }

  function say(client: Client, block: number, now: number): void {
    client.lastAck = block;
    client.repeatAt = now + client.patience + roundTrip;
    if (roundTrip === 0) transmit(client, block);
    else waiting.push({ at: now + roundTrip, client, block });
  }

  function finish(client: Client, failure?: string): void {
    client.done = true;
    open--;
    if (failure === undefined) return;
    result.failures++;
    result.reason ||= failure;
  }

  function receive(client: Client, at: number, length: number, now: number): void {
    const code = buffers[at + 1];
    if (code === 3) receiveData(client, at, length, now);
    else if (code === 5) finish(client, textAt(at + 4, at + length - 1));
    else if (code === 6 && client.expected === 1) {
      const fields = textAt(at + 2, at + length).split("\0");
      for (let n = 0; n + 1 < fields.length; n += 2) {
        if (fields[n] === "blksize") result.blksize = Number(fields[n + 1]);
        if (fields[n] === "windowsize") result.windowsize = Number(fields[n + 1]);
      }
      say(client, 0, now);
    }
  }

  function textAt(from: number, to: number): string {
    return new TextDecoder().decode(buffers.subarray(from, to));
  }

  function receiveData(client: Client, at: number, length: number, now: number): void {
    const block = ((buffers[at + 2] ?? 0) << 8) | (buffers[at + 3] ?? 0);
    if (block !== (client.expected & 0xffff)) {
      // a gap is told once, and in lock step a repeated block is acknowledged again
      if (client.gapReported) return;
      client.gapReported = result.windowsize > 1;
      client.unacknowledged = 0;
      say(client, (client.expected - 1) & 0xffff, now);
      return;
    }
    const size = length - 4;
    const expected = content?.subarray(client.bytes, client.bytes + size);
    if (expected && Buffer.compare(expected, buffers.subarray(at + 4, at + length)) !== 0) {
      finish(client, `block ${client.expected} holds other bytes`);
      return;
    }
    client.bytes += size;
    result.bytes += size;
    client.expected++;
    client.gapReported = false;
    client.patience = 250;
    const last = size < result.blksize;
    if (last || ++client.unacknowledged === result.windowsize) {
      client.unacknowledged = 0;
      say(client, block, now);
    } else {
      client.repeatAt = now + client.patience;
    }
    if (last) finish(client, content && client.bytes !== content.length ? "file is cut short" : undefined);
  }

  const startedAt = performance.now();
  for (const client of clients) {
    transmit(client, -1);
    client.repeatAt = performance.now() + client.patience;
  }
  let sweepAt = startedAt + 10;
  while (open > 0 || head < waiting.length) {
    let now = performance.now();
    while (head < waiting.length && (waiting[head]?.at ?? 0) <= now) {
      const next = waiting[head++];
      if (next) transmit(next.client, next.block);
    }
    if (head > 4096) {
      waiting.splice(0, head);
      head = 0;
    }
    const ready = c.epoll_wait(epoll, eventsAt, 256, head < waiting.length ? 0 : 5);
    now = performance.now();
    for (let n = 0; n < ready; n++) {
      const client = clients[events.getUint32(n * eventSize + dataAt, true)];
      if (!client) continue;
      const count = c.recvmmsg(client.fd, headersAt, 64, truncate, null);
      for (let m = 0; m < count; m++) {
        if (client.done) break;
        // what never arrived does not tell the server's port either
        if (lost()) continue;
        const port = ((names[m * 16 + 2] ?? 0) << 8) | (names[m * 16 + 3] ?? 0);
        if (client.port === 0) client.port = port;
        // a second transfer for a request that was repeated: the first one counts
        if (client.port === port) receive(client, m * room, headers.getUint32(m * 64 + 56, true), now);
      }
    }
    if (now < sweepAt) continue;
    sweepAt = now + 10;
    for (const client of clients) {
      if (client.done || now < client.repeatAt) continue;
      result.timeouts++;
      client.gapReported = false;
      client.patience = Math.min(client.patience * 2, 10_000);
      client.repeatAt = now + client.patience;
      transmit(client, client.lastAck);
      if (now - startedAt > order.limit * 1000) finish(client, `not done after ${order.limit} s`);
    }
  }
  result.seconds = (performance.now() - startedAt) / 1000;
  return result;
}

function encodeRequest({ file, blksize, windowsize }: Order): Uint8Array {
  const options = [["blksize", blksize], ...(windowsize > 1 ? [["windowsize", windowsize]] : [])];
  const words = [file, "octet", ...options.flat()].map((word) => `${word}\0`).join("");
  return Uint8Array.of(0, 1, ...new TextEncoder().encode(words));
}

/** Repeatable randomness in 0…1 (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
