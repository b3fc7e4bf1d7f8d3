/** A WebSocket, as far as is needed of one. */
export interface Socket {
  send(text: string): void;
  ping(): void;
  close(code: number, reason: string): void;
  terminate(): void;
  /** Neither does anything on a connection that is closing. */
  pause(): void;
  resume(): void;
  readonly bufferedAmount: number;
  on(event: "message", handle: (data: Buffer) => void): void;
  on(event: "close" | "error" | "pong", handle: () => void): void;
  once(event: "pong", handle: () => void): void;
}

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
