import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** What is listened for on a connection. */
export type Listeners = ReturnType<typeof listenersOf>;

export const listenersOf = (socket: Duplex) =>
  socket.eventNames().map((event) => ({ event, listeners: socket.rawListeners(event) }));

/** node:http is told that the connection is over, so that it frees the 8 kB it holds of a request; it is ours then. */
function takeOver(socket: Socket, response: ServerResponse, before: Listeners): void {
  response.detachSocket(socket);
  const ours = new Set(before.flatMap(({ listeners }) => listeners));
  for (const closed of socket.rawListeners("close"))
    if (!ours.has(closed)) Reflect.apply(closed, socket, [false]);
  socket.removeAllListeners();
  // checked: each was a listener of this very event
  for (const { event, listeners } of before)
    for (const listener of listeners) socket.on(event, listener as () => void);
  Reflect.set(socket, "parser", null);
}

/**
 * Sends what may stay open for days and come by the thousand. `before` is what was listened for when node:http got the
 * connection; `sent` is called after the last byte.
 */
export function pour(
  { status, headers }: Response,
  body: ReadableStream<Uint8Array>,
  response: ServerResponse,
  socket: Socket,
  before: Listeners,
  sent: (socket: Duplex) => void,
): void {
  const reader = body.getReader();
  const cancel = () => void reader.cancel().catch(ignore);
  // Whoever left meanwhile does so no second time.
  if (socket.destroyed) {
    cancel();
    return;
  }
  takeOver(socket, response, before);
  socket.once("close", cancel);
  socket.once("end", () => socket.destroy());
  socket.resume();
  socket.write(headOf(status, headers));
  const next = () => void reader.read().then(take, () => socket.destroy());
  function take({ done, value }: Awaited<ReturnType<typeof reader.read>>): void {
    if (socket.destroyed) return;
    if (done) {
      socket.end("0\r\n\r\n");
      sent(socket);
    } else if (socket.write(chunk(value))) next();
    else socket.once("drain", next);
  }
  next();
}

const ignore = () => {};

function headOf(status: number, headers: Headers): string {
  const fields = [...headers, ["date", new Date().toUTCString()], ["connection", "close"]];
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines}transfer-encoding: chunked\r\n\r\n`;
}

/** RFC 9112, section 7.1. */
const chunk = (bytes: Uint8Array) =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
