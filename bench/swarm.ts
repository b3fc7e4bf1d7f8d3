/** HTTP/1.1 connections light enough that the server is what is measured: requests are bytes made beforehand. */

export interface Answer {
  status: number;
  body: string;
  /** From the first byte sent to the last received. */
  ms: number;
}

/** One kept connection; one request at a time. */
export interface Caller {
  ask(request: Uint8Array): Promise<Answer>;
  close(): void;
}

export type Where = { hostname: string; port: number; localAddress?: string } | { unix: string };

export async function openCaller(where: Where): Promise<Caller> {
  let waiting: { resolve(answer: Answer): void; reject(error: Error): void; began: number } | undefined;
  let unsent: Uint8Array | undefined;
  let received = "";
  const flush = (socket: Bun.Socket) => {
    if (unsent === undefined) return;
    const sent = socket.write(unsent);
    unsent = sent < unsent.length ? unsent.subarray(Math.max(0, sent)) : undefined;
  };
  const fail = (why: string) => {
    waiting?.reject(new Error(why));
    waiting = undefined;
  };
  const handlers: Bun.SocketHandler<undefined, "buffer"> = {
    data(_socket, bytes) {
      // one character a byte: what is counted is bytes
      received += bytes.toString("latin1");
      const end = received.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(received.slice(0, end))?.[1] ?? 0);
      if (received.length < end + 4 + length) return;
      const status = Number(received.slice(9, 12));
      const body = received.slice(end + 4, end + 4 + length);
      received = received.slice(end + 4 + length);
      const done = waiting;
      waiting = undefined;
      done?.resolve({ status, body, ms: performance.now() - done.began });
    },
    drain: flush,
    close: () => fail("the connection was closed"),
    error: (_socket, error) => fail(error.message),
  };
  const socket =
    "unix" in where
      ? await Bun.connect({ unix: where.unix, socket: handlers })
      : await Bun.connect({ ...where, socket: handlers });
  return {
    ask(request) {
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      waiting = { resolve, reject, began: performance.now() };
      unsent = request;
      flush(socket);
      return promise;
    },
    close: () => socket.terminate(),
  };
}

const encoder = new TextEncoder();

export function encodeGet(path: string): Uint8Array {
  return encoder.encode(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`);
}

export function encodePost(path: string, token: string, body: string, type = "application/json"): Uint8Array {
  const bytes = encoder.encode(body);
  const head = `POST ${path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${token}\r\nContent-Type: ${type}\r\nContent-Length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([encoder.encode(head), bytes]);
}

/** Boots a queued machine as its loader would: the token its installer reports with. */
export async function startInstall(caller: Caller, mac: string): Promise<string> {
  const path = `/dispatch?mac=${mac}&platform=pcbios&arch=i386`;
  const script = (await caller.ask(encodeGet(path))).body;
  const file = /\/install\/([\w-]+)\/([\w.]+)/.exec(script);
  if (file === null) throw new Error(`no install for ${mac}: ${script.slice(0, 200)}`);
  const served = await caller.ask(encodeGet(file[0]));
  if (served.status !== 200)
    throw new Error(`its install data: ${served.status} ${served.body.slice(0, 200)}`);
  return file[1] ?? "";
}
