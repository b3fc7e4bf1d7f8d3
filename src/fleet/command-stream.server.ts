import { toAppError } from "../platform/errors.ts";
import { type CommandEvent, clientMessage } from "./api.ts";
import type { CommandHandle, Reader } from "./hub.ts";
import { receiveInTurn, type Socket } from "./inbox.server.ts";
import type { Work } from "./service.ts";

/** Bytes a client may leave unread before the host is told to wait. */
const window = 256 * 1024;
/** How often a client that does not keep up is looked at, in milliseconds. */
const poll = 20;

/**
 * One client's command: its first message says what it wants, the rest is input. `start` checks the client's rights
 * and starts it. A client that goes away ends its command.
 */
export function serveCommand(
  socket: Socket,
  start: (work: Work, reader: Reader) => Promise<CommandHandle>,
): void {
  let handle: CommandHandle | undefined;
  let begun = false;
  let ended = false;
  const inputs = new Map<number, number>();
  const tell = (event: CommandEvent) => socket.send(JSON.stringify(event));
  const end = (event: CommandEvent) => {
    if (ended) return;
    ended = true;
    tell(event);
    socket.close(1000, "done");
  };

  const reader: Reader = {
    output(stream, data) {
      if (ended) return;
      tell({ kind: "output", stream, data: Buffer.from(data).toString("base64") });
      return socket.bufferedAmount > window ? drained() : undefined;
    },
    inputTaken(seq) {
      const bytes = inputs.get(seq) ?? 0;
      inputs.delete(seq);
      tell({ kind: "input-taken", bytes });
    },
    exit: ({ code, signal, reason }) =>
      end({ kind: "exit", code, signal, ...(reason !== undefined && { reason }) }),
  };

  async function drained(): Promise<void> {
    while (!ended && socket.bufferedAmount > window / 2) await Bun.sleep(poll);
  }

  async function receive(text: string): Promise<void> {
    const message = clientMessage.parse(JSON.parse(text));
    if (message.kind === "run" || message.kind === "read-logs" || message.kind === "operate") {
      if (begun) return;
      begun = true;
      const started = await start(message, reader);
      if (ended) started.cancel();
      handle = started;
      return;
    }
    if (message.kind === "input") {
      const data = Buffer.from(message.data, "base64");
      const seq = handle?.input(data, message.end);
      if (seq !== undefined) inputs.set(seq, data.length);
    } else if (message.kind === "resize") handle?.resize(message.columns, message.rows);
    else handle?.signal(message.signal);
  }

  receiveInTurn(socket, receive, (thrown) => {
    const { code, message, hint } = toAppError(thrown);
    handle?.cancel();
    end({ kind: "refused", code, message, ...(hint !== undefined && { hint }) });
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    ended = true;
    handle?.cancel();
  });
}
