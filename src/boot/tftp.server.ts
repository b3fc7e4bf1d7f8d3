import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import { openInterfaceReader } from "../protocols/inet/interfaces.client.ts";
import { openLibc } from "../protocols/inet/libc.server.ts";
import { dataHeader } from "../protocols/tftp/blocks.ts";
import { negotiate, type Terms } from "../protocols/tftp/options.ts";
import { decode, encode, errorCode, type RequestPacket } from "../protocols/tftp/packet.ts";
import { normalisePath } from "../protocols/tftp/path.ts";
import type { Ended, TransferPlan } from "../protocols/tftp/transfer.ts";
import { createAdmission, type Slot } from "./tftp-admission.ts";
import { type Channel, openTransferPort, sharedChannel } from "./tftp-channel.server.ts";
import type { TftpEvent } from "./tftp-events.ts";
import { defaultTftpLimits, type TftpLimits } from "./tftp-limits.ts";
import { type Listener, openListener, type TftpListen } from "./tftp-listener.server.ts";
import { packetRun } from "./tftp-outbox.ts";
import { createPacketCache } from "./tftp-packets.ts";
import {
  closeFile,
  fileSize,
  inNetascii,
  openWithin,
  type TftpClient,
  type TftpFile,
  type TftpSource,
} from "./tftp-source.ts";
import { startTransfer } from "./tftp-transfer.server.ts";

export interface TftpServerOptions {
  source: TftpSource;
  observe(event: TftpEvent): void;
  clock: Clock;
  logger: Logger;
  limits?: Partial<TftpLimits>;
  /** Answers from the port that was asked, for firewalls and NAT between; RFC 1350 wants a port per transfer. */
  singlePort?: boolean;
  /** Sends windows in one system call where the kernel can; on unless said otherwise. */
  segmentation?: boolean;
}

export interface TftpServer {
  /** Serves on one more address. Throws `conflict` where its port cannot be had. */
  listen(listen: TftpListen): Promise<TftpListener>;
  /** Stops every listener. */
  stop(): Promise<void>;
  /** Transfers under way. */
  active(): number;
  /** Requests that wait for one. */
  waiting(): number;
}

export interface TftpListener {
  address: string;
  port: number;
  /** Tells the clients of this address, closes their sockets and its own. */
  stop(): Promise<void>;
}

/** How often what is due is looked for, while there are transfers: retransmission is this coarse. */
const tickMs = 20;

/** A read-only TFTP server: decides nothing itself, see `protocols/tftp`. */
export function createTftpServer(options: TftpServerOptions): TftpServer {
  const { source, clock } = options;
  const logger = options.logger.with({ service: "tftp" });
  const limits: TftpLimits = { ...defaultTftpLimits, ...options.limits };
  const cache = createPacketCache(limits.cacheBytes);
  const admission = createAdmission(limits, keepTime);
  const libc = openLibc();
  const readInterfaces = openInterfaceReader();
  const listeners = new Set<Listener>();
  let cancelTick: (() => void) | undefined;

  /** Ticks while there are transfers, and not otherwise. */
  function keepTime(transfers: number): void {
    if (transfers > 0) cancelTick ??= startTicking();
    else {
      cancelTick?.();
      cancelTick = undefined;
    }
  }

  function startTicking(): () => void {
    let last = clock.monotonic();
    let skipped = false;
    return clock.every(tickMs, () => {
      const now = clock.monotonic();
      // held up ourselves: the answers that came meanwhile are read before anyone is called late
      skipped = !skipped && now - last > 2 * tickMs;
      last = now;
      if (skipped) return;
      for (const { transfer } of admission.slots()) transfer?.tick(now);
    });
  }

  function onDatagram(listener: Listener, datagram: Uint8Array, port: number, address: string): void {
    const packet = decode(datagram);
    if (packet.kind === "ignore") return;
    const key = `${listener.address} ${address} ${port}`;
    const client = { address, port, local: listener.address };
    if (packet.kind === "RRQ") onRead(listener, packet, key, client);
    else if (packet.kind === "WRQ") {
      refuse(listener, client, packet.filename, errorCode.accessViolation, "this server is read-only");
    } else if (options.singlePort) admission.find(key)?.transfer?.receive(packet);
    // what else comes to this port is not answered: an ERROR might start an endless exchange
  }

  function onRead(listener: Listener, request: RequestPacket, key: string, client: TftpClient): void {
    const { filename } = request;
    const earlier = admission.find(key);
    if (earlier) {
      // the same again while the answer is on its way: retransmission is the transfer's own task
      if (earlier.request.filename === filename && !earlier.transfer?.progress()) return;
      earlier.transfer?.tell({ kind: "superseded" });
      release(earlier);
    }
    const name = normalisePath(filename);
    if (name.kind === "ignore") {
      refuse(listener, client, filename, errorCode.accessViolation, name.reason);
      return;
    }
    const start = (slot: Slot) => void serve(listener, slot, name.path);
    const entry = admission.enter({ key, client, request, start }, clock.monotonic());
    if (entry.kind === "admitted") return;
    const facts = { client: client.address, file: name.path };
    if (entry.kind === "waits") {
      if (entry.before === 0) logger.warn("tftp transfers are at their limit: requests wait", facts);
      return;
    }
    logger.warn("tftp request refused", { ...facts, reason: entry.reason });
    refuse(listener, client, filename, errorCode.undefined, entry.reason);
  }

  const release = (slot: Slot) => admission.release(slot, clock.monotonic());

  async function serve(listener: Listener, slot: Slot, path: string): Promise<void> {
    const { client, request } = slot;
    let file: TftpFile | undefined;
    try {
      file = await openWithin(limits.openMs, clock, source, path, client);
      if (file && request.mode === "netascii") file = await inNetascii(file, limits.netasciiBytes);
      if (slot.released) file && closeFile(file);
      else if (file) await send(listener, slot, path, file);
      else refuse(listener, client, request.filename, errorCode.fileNotFound, "file not found");
    } catch (error) {
      if (file) closeFile(file);
      logger.error("tftp file cannot be sent", {
        client: client.address,
        file: path,
        reason: error instanceof Error ? error.message : String(error),
      });
      if (!slot.released)
        refuse(listener, client, request.filename, errorCode.undefined, "file cannot be read now");
    } finally {
      if (slot.transfer === undefined) release(slot);
    }
  }

  async function send(listener: Listener, slot: Slot, path: string, file: TftpFile): Promise<void> {
    const { client, request } = slot;
    const terms = negotiate(request, fileSize(file), { mtu: listener.mtu, windowsize: limits.windowsize });
    const channel = options.singlePort ? sharedChannel(listener, client) : await ownChannel(slot, terms);
    if (slot.released) {
      channel.close();
      return closeFile(file);
    }
    const packets = cache.open(file, terms.blksize);
    const facts = factsOf(slot, path, fileSize(file), terms);
    const startedAt = clock.monotonic();
    options.observe({ kind: "transfer-started", ...facts });
    slot.transfer = startTransfer({
      plan: planOf(terms, packets.blocks),
      oack: terms.oack.length > 0 ? encode({ kind: "OACK", options: terms.oack }) : undefined,
      packets,
      channel,
      clock,
      onEnd(ended) {
        release(slot);
        report(facts, ended, clock.monotonic() - startedAt);
      },
    });
  }

  function planOf(terms: Terms, blocks: number): TransferPlan {
    const { windowsize, sizeAsked, timeoutMs } = terms;
    return { blocks, windowsize, sizeAsked, timeoutMs, offers: terms.oack.length > 0, times: limits.times };
  }

  function factsOf({ client, request }: Slot, path: string, size: number, terms: Terms) {
    const { blksize, windowsize, oack: granted } = terms;
    const { mode, options: asked } = request;
    return { at: clock.now(), client, path, mode, size, blksize, windowsize, asked, granted };
  }

  function report(facts: ReturnType<typeof factsOf>, ended: Ended, durationMs: number): void {
    const { outcome, detail, acked: blocks, retries } = ended;
    const bytes = Math.min(blocks * facts.blksize, facts.size);
    const rate = durationMs > 0 ? Math.round((bytes * 1000) / durationMs) : 0;
    const result = { outcome, detail, bytes, blocks, retries, durationMs, rate };
    options.observe({ ...facts, kind: "transfer-ended", at: clock.now(), ...result });
    const level = outcome === "probed" ? "debug" : outcome === "completed" ? "info" : "warn";
    logger[level](`tftp transfer ${outcome}`, {
      client: facts.client.address,
      file: facts.path,
      bytes,
      ms: Math.round(durationMs),
      retries,
      detail: detail || undefined,
    });
  }

  function ownChannel(slot: Slot, { windowsize, blksize }: Terms): Promise<Channel> {
    const stride = windowsize > 1 && options.segmentation !== false ? blksize + dataHeader : undefined;
    return openTransferPort(libc, slot.client, stride, {
      datagram(datagram) {
        const packet = decode(datagram);
        if (packet.kind !== "ignore") slot.transfer?.receive(packet);
      },
      unreachable: () => slot.transfer?.tell({ kind: "unreachable" }),
    });
  }

  function refuse(
    listener: Listener,
    client: TftpClient,
    filename: string,
    code: number,
    reason: string,
  ): void {
    const run = packetRun(encode({ kind: "ERROR", code, message: reason }));
    listener.send({ run, index: 0, count: 1, client });
    options.observe({ kind: "request-refused", at: clock.now(), client, filename, code, reason });
    logger.debug("tftp request refused", { client: client.address, file: filename, code, reason });
  }

  function close(listener: Listener): void {
    if (!listeners.delete(listener)) return;
    admission.dismiss(listener.address);
    for (const slot of admission.slots()) {
      if (slot.client.local !== listener.address) continue;
      slot.transfer?.tell({ kind: "stop" });
      release(slot);
    }
    listener.close();
  }

  return {
    async listen(listen) {
      const listener = await openListener(libc, readInterfaces, listen, onDatagram);
      listeners.add(listener);
      return { address: listener.address, port: listener.port, stop: async () => close(listener) };
    },
    async stop() {
      for (const listener of listeners) close(listener);
    },
    active: admission.size,
    waiting: admission.waiting,
  };
}
