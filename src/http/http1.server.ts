import http, { type IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Logger } from "../platform/logger.ts";
import type { PeerIdentity, Routes } from "./app.ts";
import { type Listeners, listenersOf, pour } from "./event-stream.server.ts";

/** A connection that is to become a WebSocket; whoever does not take it leaves it to be refused. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer, peer: PeerIdentity) => boolean;

export interface Http1 {
  /** Speaks HTTP on a connection whose other end is known. */
  accept(socket: Duplex, peer: PeerIdentity): void;
  /** Ends every connection. */
  close(): void;
}

/** How long the other end may take, in milliseconds, and how much it may open. */
export interface Http1Limits {
  head: number;
  body: number;
  /** For our answer to be made and taken; what streams lifts it. */
  answer: number;
  /** Between two requests. */
  idle: number;
  /** For reading our refusal, by one whose body was not wanted whole. */
  linger: number;
  connections: number;
  /** Of one address, by those who have not proven who they are. */
  strangers: number;
}

export const http1Limits: Http1Limits = {
  head: 10_000,
  body: 60_000,
  answer: 600_000,
  idle: 60_000,
  linger: 1_000,
  connections: 10_000,
  strangers: 256,
};
/** Bytes of a request's first line and its headers. */
const maxHead = 16 * 1024;

/**
 * HTTP/1.1 over connections somebody else accepted: only so does Bun tell who is at the other end. Its own time-outs
 * do not work on such connections, so the timers are ours.
 */
export function createHttp1(
  app: Routes,
  upgrade: Upgrade,
  logger: Logger,
  limits: Http1Limits = http1Limits,
): Http1 {
  const untimed = new WeakSet<Duplex>();
  const strangers = new Map<string, number>();
  const peers = new WeakMap<object, PeerIdentity>();
  const timers = new WeakMap<object, ReturnType<typeof setTimeout>>();
  const listeners = new WeakMap<object, Listeners>();
  const open = new Set<Duplex>();
  const peerOf = (socket: object): PeerIdentity => peers.get(socket) ?? { kind: "network", address: "" };

  function expire(socket: Duplex, after: number | undefined): void {
    clearTimeout(timers.get(socket));
    timers.delete(socket);
    if (after !== undefined)
      timers.set(
        socket,
        setTimeout(() => socket.destroy(), after),
      );
  }

  const linger = (socket: Duplex) => expire(socket, limits.linger);

  const listener = getRequestListener(
    async (request, { incoming, outgoing }) => {
      const peer = peerOf(incoming.socket);
      const response = await app.fetch(request, {
        clientIp: peer.kind === "local" ? "" : peer.address,
        baseUrl: new URL(request.url).origin,
        untimed: () => {
          untimed.add(incoming.socket);
          expire(incoming.socket, undefined);
        },
        peer,
      });
      if (response.headers.get("content-type") !== "text/event-stream" || response.body === null)
        return response;
      const { socket, httpVersion } = incoming;
      // HTTP/1.0 knows no chunks, and a response without its socket waits for another's end.
      if (httpVersion !== "1.1" || !(outgoing instanceof ServerResponse) || outgoing.socket !== socket)
        return response;
      untimed.add(socket);
      const before = listeners.get(socket) ?? [];
      listeners.delete(socket);
      pour(response, response.body, outgoing, socket, before, linger);
      return RESPONSE_ALREADY_SENT;
    },
    // Replacing the global Request and Response would break Bun's own server in this process.
    { overrideGlobalObjects: false },
  );

  const server = http.createServer({ maxHeaderSize: maxHead });
  server.on("request", (request, response) => {
    const { socket } = request;
    let received = !hasBody(request);
    expire(socket, received ? limits.answer : limits.body);
    // An upload that breaks off is the client's affair.
    request.on("error", ignore);
    response.on("error", ignore);
    request.once("end", () => {
      received = true;
      // A body nobody reads ends only after the answer.
      if (response.closed) expire(socket, limits.idle);
      else if (!untimed.has(socket)) expire(socket, limits.answer);
    });
    response.once("close", () => {
      untimed.delete(socket);
      expire(socket, received && !socket.writableEnded ? limits.idle : limits.linger);
    });
    listener(request, response).catch((error: unknown) => {
      logger.error("a request failed outside its handler", { error: String(error) });
      socket.destroy();
    });
  });
  server.on("upgrade", (request, socket, head) => {
    expire(socket, undefined);
    // Refused, or over: nobody keeps his half open for ever.
    socket.once("finish", () => linger(socket));
    if (upgrade(request, socket, head, peerOf(socket))) return;
    socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  server.on("clientError", (error, socket) => {
    const overflow = "code" in error && error.code === "HPE_HEADER_OVERFLOW";
    const status = overflow ? "431 Request Header Fields Too Large" : "400 Bad Request";
    if (!socket.writable) return void socket.destroy();
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    socket.on("data", ignore);
    expire(socket, limits.linger);
  });

  /** Whether there is room for one more from there; counts it while it is open. */
  function admit(socket: Duplex, peer: PeerIdentity): boolean {
    if (open.size >= limits.connections) return false;
    if (peer.kind !== "network") return true;
    const { address } = peer;
    const others = strangers.get(address) ?? 0;
    if (others >= limits.strangers) return false;
    strangers.set(address, others + 1);
    socket.once("close", () => {
      const left = (strangers.get(address) ?? 1) - 1;
      if (left > 0) strangers.set(address, left);
      else strangers.delete(address);
    });
    return true;
  }

  return {
    accept(socket, peer) {
      if (!admit(socket, peer)) {
        socket.destroy();
        return;
      }
      open.add(socket);
      peers.set(socket, peer);
      // Closed while more arrives, a connection is reset, and our answer is lost with it. Without this method node:http
      // closes our half only, and the timers see to the other.
      Object.defineProperty(socket, "destroySoon", { value: undefined });
      socket.on("error", ignore);
      socket.on("close", () => {
        open.delete(socket);
        expire(socket, undefined);
      });
      expire(socket, limits.head);
      listeners.set(socket, listenersOf(socket));
      server.emit("connection", socket);
    },
    close() {
      for (const socket of open) socket.destroy();
      open.clear();
    },
  };
}

const ignore = () => {};

const hasBody = ({ headers }: IncomingMessage) =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
