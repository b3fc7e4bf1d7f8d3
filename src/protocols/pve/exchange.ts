import type { RawAnswer } from "./envelope.ts";
import type { PveTlsMismatch } from "./errors.ts";

export interface ExchangeRequest {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** With `/api2/json` and the query. */
  path: string;
  headers: Record<string, string>;
  body?: string | AsyncIterable<Uint8Array> | undefined;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** How one attempt ended, as a value. */
export type ExchangeResult =
  | { kind: "answer"; answer: RawAnswer; date: string | undefined }
  | { kind: "not-sent"; why: string; mismatch: PveTlsMismatch | undefined }
  | { kind: "unanswered"; timedOut: boolean; why: string }
  | { kind: "cancelled" };

/** One request, one attempt, at one of the cluster's endpoints. */
export interface Exchange {
  /** `host:port` of each endpoint. */
  readonly places: readonly string[];
  send(endpoint: number, request: ExchangeRequest): Promise<ExchangeResult>;
  close(): Promise<void>;
}
