import type { Socket } from "./agent-stream.server.ts";

/** Bytes of messages that wait for their turn; then the other side waits. */
const maxWaiting = 4 << 20;

/** Hands on one message after the other, in their order; who sends faster than that is not read until it is done. */
export function receiveInTurn(
  socket: Socket,
  receive: (text: string) => Promise<void>,
  failed: (thrown: unknown) => void,
): void {
  let waiting = 0;
  let last = Promise.resolve();
  socket.on("message", (data) => {
    waiting += data.length;
    if (waiting > maxWaiting) socket.pause();
    last = last
      .then(() => receive(data.toString("utf8")))
      .catch(failed)
      .then(() => {
        const held = waiting > maxWaiting;
        waiting -= data.length;
        if (held && waiting <= maxWaiting) socket.resume();
      });
  });
}
