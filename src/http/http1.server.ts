import http, { type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import type { Logger } from "../platform/logger.ts";
import type { PeerIdentity, Routes } from "./app.ts";

/** A connection that is to become a WebSocket; whoever does not take it leaves it to be refused. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer, peer: PeerIdentity) => boolean;

export interface Http1 {
  /** Speaks HTTP on a connection whose other end is known. */
  accept(socket: Duplex, peer: PeerIdentity): void;
  /** Ends every connection. */
  close(): void;
}

/** Milliseconds for the request's head, its body, and between two requests. */
const limits = { head: 10_000, body: 60_000, idle: 60_000 };
const maxHead = 16 * 1024;
const maxConnections = 10_000;

/**
 * HTTP/1.1 over connections somebody else accepted: only so does Bun tell who is at the other end. Its own time-outs
 * do not work on such connections, so the timers are ours.
 */
export function createHttp1(app: Routes, upgrade: Upgrade, logger: Logger): Http1 {
  const peers = new WeakMap<object, PeerIdentity>();
  const timers = new WeakMap<object, ReturnType<typeof setTimeout>>();
  const open = new Set<Duplex>();
  const peerOf = (socket: object): PeerIdentity => peers.get(socket) ?? { kind: "network", address: "" };

  function expire(socket: Duplex, after: number | undefined): void {
    clearTimeout(timers.get(socket));
    if (after !== undefined)
      timers.set(
        socket,
        setTimeout(() => socket.destroy(), after),
      );
  }

  const listener = getRequestListener(
    (request, { incoming }) => {
      const peer = peerOf(incoming.socket);
      return app.fetch(request, {
        clientIp: peer.kind === "local" ? "" : peer.address,
        baseUrl: new URL(request.url).origin,
        untimed: () => expire(incoming.socket, undefined),
        peer,
      });
    },
    // Replacing the global Request and Response would break Bun's own server in this process.
    { overrideGlobalObjects: false },
  );

  const server = http.createServer({ maxHeaderSize: maxHead });
  server.on("request", (request, response) => {
    const { socket } = request;
    expire(socket, limits.body);
    // An upload that breaks off is the client's affair.
    request.on("error", () => {});
    response.on("error", () => {});
    request.once("end", () => expire(socket, undefined));
    response.once("close", () => expire(socket, limits.idle));
    listener(request, response).catch((error: unknown) => {
      logger.error("a request failed outside its handler", { error: String(error) });
      socket.destroy();
    });
  });
  server.on("upgrade", (request, socket, head) => {
    expire(socket, undefined);
    if (upgrade(request, socket, head, peerOf(socket))) return;
    socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  server.on("clientError", (_, socket) => {
    if (socket.writable)
      socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    socket.destroy();
  });

  return {
    accept(socket, peer) {
      if (open.size >= maxConnections) {
        socket.destroy();
        return;
      }
      open.add(socket);
      peers.set(socket, peer);
      socket.on("error", () => {});
      socket.on("close", () => {
        open.delete(socket);
        expire(socket, undefined);
      });
      expire(socket, limits.head);
      server.emit("connection", socket);
    },
    close() {
      for (const socket of open) socket.destroy();
      open.clear();
    },
  };
}
