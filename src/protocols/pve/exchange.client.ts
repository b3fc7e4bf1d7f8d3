import { Readable } from "node:stream";
import { type Dispatcher, Pool } from "undici/index.js";
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

  async function send(index: number, request: ExchangeRequest): Promise<ExchangeResult> {
    const pool = pools[index];
    if (!pool) throw new Error(`no endpoint ${index}`);
    const deadline = new AbortController();
    const cancelTimer = clock.after(request.timeoutMs, () => deadline.abort());
    const signal = request.signal ? AbortSignal.any([request.signal, deadline.signal]) : deadline.signal;
    try {
      const response = await pool.request({
        method: request.method,
        path: request.path,
        headers: request.headers,
        body: bodyOf(request.body),
        signal,
      });
      const answer: RawAnswer = {
        status: response.statusCode,
        statusText: response.statusText,
        body: await readBounded(response),
      };
      const date = response.headers.date;
      return { kind: "answer", answer, date: typeof date === "string" ? date : undefined };
    } catch (error) {
      if (request.signal?.aborted) return { kind: "cancelled" };
      if (error instanceof NotConnected)
        return { kind: "not-sent", why: error.message, mismatch: error.mismatch };
      if (deadline.signal.aborted) return { kind: "unanswered", timedOut: true, why: "no answer in time" };
      return {
        kind: "unanswered",
        timedOut: false,
        why: error instanceof Error ? error.message : String(error),
      };
    } finally {
      cancelTimer();
    }
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

/** The body as text; one that would not end is cut off. */
async function readBounded({ headers, body }: Dispatcher.ResponseData): Promise<string> {
  const announced = Number(headers["content-length"] ?? Number.NaN);
  if (announced <= maxAnswerBytes) return body.text();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) throw new Error(`the answer is larger than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
