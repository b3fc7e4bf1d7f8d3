import { Readable } from "node:stream";
import { Pool } from "undici/index.js";
import type { Clock } from "../../platform/clock.ts";
import { type Endpoint, formatEndpoint } from "./endpoint.ts";
import type { RawAnswer } from "./envelope.ts";
import type { Exchange, ExchangeRequest, ExchangeResult } from "./exchange.ts";
import { createConnector, NotConnected } from "./pinned-tls.client.ts";

const connectTimeoutMs = 5_000;
/** Under pveproxy's own 5 s, so that we close idle connections and not it, in the middle of a request. */
const keepAliveMs = 4_000;
const connectionsPerNode = 16;
const maxAnswerBytes = 32 * 1024 * 1024;

/** HTTPS to each endpoint of a cluster, kept alive. */
export function createExchange(
  endpoints: readonly Endpoint[],
  ca: string | undefined,
  clock: Clock,
): Exchange {
  const pools = endpoints.map(
    (endpoint) =>
      new Pool(`https://${formatEndpoint(endpoint)}`, {
        connect: createConnector(endpoint, ca, connectTimeoutMs),
        connections: connectionsPerNode,
        pipelining: 1,
        keepAliveTimeout: keepAliveMs,
        keepAliveMaxTimeout: keepAliveMs,
        // The deadline of each call is this file's own, below.
        headersTimeout: 0,
        bodyTimeout: 0,
      }),
  );

  function send(index: number, request: ExchangeRequest): Promise<ExchangeResult> {
    const pool = pools[index];
    if (!pool) throw new Error(`no endpoint ${index}`);
    const { method, path, headers, body, signal } = request;
    if (signal?.aborted) return Promise.resolve({ kind: "cancelled" });
    const { promise, resolve } = Promise.withResolvers<ExchangeResult>();
    let abort: ((reason: Error) => void) | undefined;
    let ended = false;
    const end = (result: ExchangeResult) => {
      ended = true;
      cancelTimer();
      signal?.removeEventListener("abort", cancel);
      resolve(result);
    };
    const giveUp = (result: ExchangeResult) => {
      end(result);
      abort?.(new Error("given up"));
    };
    const cancel = () => giveUp({ kind: "cancelled" });
    const cancelTimer = clock.after(request.timeoutMs, () =>
      giveUp({ kind: "unanswered", timedOut: true, why: "no answer in time" }),
    );
    signal?.addEventListener("abort", cancel);

    let answer = { status: 0, statusText: "", date: "" };
    let bytes = 0;
    const chunks: Buffer[] = [];
    pool.dispatch(
      { method, path, headers, body: bodyOf(body) },
      {
        // The first moment at which there is something to abort; until then the request waits for a connection.
        onRequestStart(controller) {
          abort = (reason) => controller.abort(reason);
          if (ended) abort(new Error("given up"));
        },
        onResponseStart(_, status, { date }, statusText = "") {
          answer = { status, statusText, date: String(date ?? "") };
        },
        onResponseData(controller, chunk) {
          bytes += chunk.length;
          if (bytes <= maxAnswerBytes) chunks.push(chunk);
          else controller.abort(new Error(`the answer is larger than ${maxAnswerBytes} bytes`));
        },
        onResponseEnd() {
          if (!ended) end(answered(answer, Buffer.concat(chunks)));
        },
        onResponseError(_, error) {
          if (!ended) end(failed(error));
        },
      },
    );
    return promise;
  }

  return {
    places: endpoints.map(formatEndpoint),
    send,
    close: async () => {
      await Promise.all(pools.map((pool) => pool.destroy()));
    },
  };
}

function bodyOf(body: ExchangeRequest["body"]): string | Readable | null {
  return body === undefined || typeof body === "string"
    ? (body ?? null)
    : Readable.from(body, { objectMode: false });
}

function answered(
  { status, statusText, date }: { status: number; statusText: string; date: string },
  body: Buffer,
): ExchangeResult {
  const answer: RawAnswer = { status, statusText, body: body.toString("utf8") };
  return { kind: "answer", answer, date: date || undefined };
}

function failed(error: Error): ExchangeResult {
  return error instanceof NotConnected
    ? { kind: "not-sent", why: error.message, mismatch: error.mismatch }
    : { kind: "unanswered", timedOut: false, why: error.message };
}
