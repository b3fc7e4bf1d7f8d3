import type { WebSocket } from "ws-node";
import { type ClientMessage, commandEvent } from "../fleet/api.ts";
import { AppError, type ErrorCode, errorCodes } from "../platform/errors.ts";
import { unreachable } from "./client.ts";

/** Where output goes; a promise holds the rest back until it resolves. */
export interface RemoteOutput {
  stdout(data: Uint8Array): Promise<void> | undefined;
  stderr(data: Uint8Array): Promise<void> | undefined;
  /** The command took so much of our input, in bytes. */
  inputTaken?(bytes: number): void;
}

/** Writes to one of our own streams; whoever reads it slowly slows the command on the host. */
export function writeTo(stream: NodeJS.WriteStream, data: Uint8Array | string): Promise<void> | undefined {
  if (stream.write(data)) return undefined;
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.once("drain", resolve);
  return promise;
}

export const ownOutput: RemoteOutput = {
  stdout: (data) => writeTo(process.stdout, data),
  stderr: (data) => writeTo(process.stderr, data),
};

export interface RemoteExit {
  code: number | null;
  signal: string | null;
  reason?: string;
}

/**
 * Runs one command over `socket` to its end. `begin` gets a way to send once it runs.
 * @throws what labd refused it with, or `unavailable` when the connection is lost.
 */
export function runRemote(
  socket: WebSocket,
  first: ClientMessage,
  output: RemoteOutput,
  begin: (send: (message: ClientMessage) => void) => void = () => {},
): Promise<RemoteExit> {
  const { promise, resolve, reject } = Promise.withResolvers<RemoteExit>();
  const send = (message: ClientMessage) => socket.send(JSON.stringify(message));
  socket.on("open", () => {
    send(first);
    begin(send);
  });
  socket.on("message", (text) => {
    const event = commandEvent.parse(JSON.parse(String(text)));
    if (event.kind === "output") {
      const written = output[event.stream](Buffer.from(event.data, "base64"));
      if (written === undefined) return;
      socket.pause();
      void written.then(() => socket.resume());
    } else if (event.kind === "input-taken") output.inputTaken?.(event.bytes);
    else if (event.kind === "exit") {
      const { code, signal, reason } = event;
      resolve({ code, signal, ...(reason !== undefined && { reason }) });
    } else if (event.kind === "refused") {
      reject(
        new AppError(toCode(event.code), event.message, event.hint === undefined ? {} : { hint: event.hint }),
      );
    }
  });
  socket.on("unexpected-response", (_, response) => {
    reject(
      response.statusCode === 401
        ? new AppError("unauthenticated", "labd does not accept this identity", {
            hint: "labctl login SERVER",
          })
        : new AppError("unavailable", `labd answered ${response.statusCode}`),
    );
  });
  socket.on("error", (cause) => {
    const local = /^ws\+unix:\/\/([^:]+):/.exec(socket.url)?.[1];
    reject(unreachable(local ?? `https://${new URL(socket.url).host}`, cause));
  });
  socket.on("close", () => reject(new AppError("unavailable", "the connection to labd was lost")));
  return promise.finally(() => socket.close());
}

const toCode = (code: string): ErrorCode => {
  const known = Object.keys(errorCodes).find((each) => each === code);
  // checked: it is a key of the table
  return (known ?? "internal") as ErrorCode;
};
