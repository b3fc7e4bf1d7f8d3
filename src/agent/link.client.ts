import { WebSocket } from "ws-node";
import { type AgentMessage, type LabdMessage, maxMessage, readLabdMessage } from "../fleet/protocol.ts";
import type { Clock } from "../platform/clock.ts";
import type { AgentState } from "./state.client.ts";

/** One connection to labd, from the attempt to its end. */
export interface Link {
  /** False when it does not stand, or labd does not read: then it is given up. */
  send(message: AgentMessage): boolean;
  /** From now on labd has to be heard of within three of these intervals, in milliseconds. */
  watch(interval: number): void;
  close(reason: string): void;
}

export interface LinkEnd {
  /** The WebSocket's; 1006 when it ended without a word. */
  code: number;
  reason: string;
  /** What TLS refused labd's certificate for, as OpenSSL names it. */
  tlsError?: string;
}

export interface LinkListener {
  open(): void;
  message(message: LabdMessage): void;
  /** A message that was not understood; without a reason it is one this version does not know. */
  ignored(reason: string | undefined): void;
  end(end: LinkEnd): void;
}

const connectTimeout = 15_000;
/** Bytes waiting to be sent; then a connection that does not move is given up. */
const maxBuffered = 8 << 20;
const maxProblem = 4096;

export function openLink(server: string, state: AgentState, clock: Clock, listener: LinkListener): Link {
  const socket = new WebSocket(`${server.replace(/^https/, "wss")}/api/v1/agent`, {
    ca: state.authoritiesPem,
    cert: state.certificatePem,
    key: state.keyPem,
    handshakeTimeout: connectTimeout,
    maxPayload: maxMessage,
  });
  let problem = "";
  let tlsError: string | undefined;
  let heardAt = clock.monotonic();
  let endWatch = () => {};
  const giveUp = (reason: string) => {
    problem ||= reason;
    socket.terminate();
  };

  socket.on("open", listener.open);
  socket.on("pong", () => {
    heardAt = clock.monotonic();
  });
  socket.on("message", (data) => {
    heardAt = clock.monotonic();
    const read = readLabdMessage(String(data));
    if (read.kind === "message") listener.message(read.message);
    else listener.ignored(read.kind === "invalid" ? read.reason : undefined);
  });
  socket.on("unexpected-response", (_, response) => {
    let body = "";
    response.on("data", (chunk: Buffer) => {
      if (body.length < maxProblem) body += chunk.toString("utf8");
    });
    response.on("close", () => giveUp(detailOf(body) ?? `labd answered ${response.statusCode}`));
  });
  socket.on("error", (error) => {
    problem ||= error.message;
    if ("code" in error && typeof error.code === "string") tlsError = error.code;
  });
  socket.on("close", (code, reason) => {
    endWatch();
    listener.end({ code, reason: problem || reason.toString(), ...(tlsError !== undefined && { tlsError }) });
  });

  return {
    send(message) {
      if (socket.readyState !== WebSocket.OPEN) return false;
      if (socket.bufferedAmount > maxBuffered) {
        giveUp("labd does not read");
        return false;
      }
      socket.send(JSON.stringify(message));
      return true;
    },
    watch(interval) {
      endWatch();
      endWatch = clock.every(interval, () => {
        const silence = clock.monotonic() - heardAt;
        if (silence > 3 * interval) giveUp("labd fell silent");
        // It answers heartbeats: only where such an answer is missing is it asked.
        else if (silence > 1.5 * interval && socket.readyState === WebSocket.OPEN) socket.ping();
      });
    },
    close(reason) {
      if (socket.readyState === WebSocket.OPEN) socket.close(1000, reason);
      else socket.terminate();
    },
  };
}

/** What a problem response (RFC 9457) says to people. */
function detailOf(body: string): string | undefined {
  try {
    const value: unknown = JSON.parse(body);
    const detail: unknown =
      typeof value === "object" && value !== null ? Reflect.get(value, "detail") : undefined;
    return typeof detail === "string" ? detail.slice(0, 500) : undefined;
  } catch {
    return undefined;
  }
}
