import type { Clock } from "../../platform/clock.ts";
import { AppError } from "../../platform/errors.ts";
import type { Logger } from "../../platform/logger.ts";
import { type CallOptions, type Change, encodeParams, type PveApi, type ReadAnswer } from "./api.ts";
import { createRing, isDown, markDown, markUp, tryOrder } from "./endpoint-ring.ts";
import { decodeAnswer } from "./envelope.ts";
import { PveTimeout, type PveTlsMismatch, PveUnreachable, refusalError } from "./errors.ts";
import type { Exchange, ExchangeRequest, ExchangeResult } from "./exchange.ts";
import { findLostTask } from "./lost-change.ts";
import { sleep } from "./pause.ts";
import type { Need } from "./privileges.ts";
import { readRefusal } from "./refusal.ts";
import { decideRetry, type Failure } from "./retry.ts";
import type { PveToken } from "./token.ts";
import { isUpid } from "./upid.ts";

const defaultTimeoutMs = 60_000;
/** One node waits 30 s for another: give it the time to say so. */
const attemptTimeoutMs = 35_000;
const rememberedUpids = 2_000;

export interface CallerOptions {
  exchange: Exchange;
  token: PveToken;
  clock: Clock;
  logger: Logger;
}

export interface Caller extends PveApi {
  /** How far the answering node's clock is ahead of ours, in milliseconds, to the second; unknown before an answer. */
  clockSkewMs(): number | undefined;
  /** One attempt with a body of its own, at the preferred endpoint: for uploads. */
  sendOnce(
    request: Omit<ExchangeRequest, "timeoutMs" | "headers"> & { headers?: Record<string, string> },
    options?: CallOptions,
  ): Promise<unknown>;
}

interface Call {
  operation: string;
  request: Omit<ExchangeRequest, "timeoutMs" | "signal">;
  repeatable: boolean;
  needs: readonly Need[] | undefined;
  change: Change | undefined;
}

/** Calls with failover between endpoints and repeats where `decideRetry` allows them. */
export function createCaller({ exchange, token, clock, logger }: CallerOptions): Caller {
  let ring = createRing(exchange.places.length);
  let skewMs: number | undefined;
  const known = new Set<string>();
  const owner = { user: token.user, tokenid: token.tokenid };
  const authorization = token.authorization();

  function noteAnswer(index: number, date: string | undefined): void {
    ring = markUp(ring, index);
    const theirs = date === undefined ? Number.NaN : Date.parse(date);
    if (!Number.isNaN(theirs)) skewMs = theirs - clock.now();
  }

  function noteUnreached(index: number, why: string, mismatch: PveTlsMismatch | undefined): void {
    const wasDown = isDown(ring, index, clock.monotonic());
    ring = markDown(ring, index, clock.monotonic());
    // Once, and not for each of a hundred calls; with no other node to turn to, the error says it all.
    if (wasDown || exchange.places.length === 1) return;
    const fields = { endpoint: exchange.places[index], why: token.redact(why) };
    if (mismatch) logger.error("Proxmox node is not trusted and was passed over", fields);
    else logger.warn("Proxmox node cannot be reached and was passed over", fields);
  }

  async function call(call: Call, options: CallOptions): Promise<ReadAnswer> {
    const began = clock.monotonic();
    const sentAt = clock.now();
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    const tried = new Set<number>();
    for (let attempts = 1; ; attempts++) {
      options.signal?.throwIfAborted();
      const remaining = timeoutMs - (clock.monotonic() - began);
      if (remaining <= 0) throw new PveTimeout(call.operation, timeoutMs, "not-made");
      const order = tryOrder(ring, clock.monotonic());
      const index = order.find((candidate) => !tried.has(candidate)) ?? order[0] ?? 0;
      tried.add(index);
      const attemptMs = Math.min(remaining, attemptTimeoutMs);
      const result = await exchange.send(index, {
        ...call.request,
        signal: options.signal,
        timeoutMs: attemptMs,
      });
      const outcome = readResult({ call, index, attemptMs, signal: options.signal }, result);
      if (outcome.kind === "done") return outcome.answer;
      const verdict = decideRetry({
        failure: outcome.failure,
        repeatable: call.repeatable,
        attempts,
        elapsedMs: clock.monotonic() - began,
        untried: exchange.places.length - tried.size,
      });
      if (verdict.kind === "give-up") throw outcome.error;
      if (verdict.kind === "look-first") return lookFor(call, outcome.error, sentAt, options);
      if (clock.monotonic() - began + verdict.afterMs >= timeoutMs) throw outcome.error;
      if (!verdict.elsewhere) tried.delete(index);
      await sleep(clock, verdict.afterMs, options.signal);
    }
  }

  type Outcome = { kind: "done"; answer: ReadAnswer } | { kind: "failed"; failure: Failure; error: AppError };

  interface AttemptContext {
    call: Call;
    index: number;
    attemptMs: number;
    signal: AbortSignal | undefined;
  }

  function readResult({ call, index, attemptMs, signal }: AttemptContext, result: ExchangeResult): Outcome {
    const where = exchange.places[index] ?? "";
    switch (result.kind) {
      case "cancelled":
        throw signal?.reason ?? new AppError("timeout", `${call.operation}: cancelled`);
      case "not-sent":
        noteUnreached(index, result.why, result.mismatch);
        return {
          kind: "failed",
          failure: { kind: result.mismatch ? "not-trusted" : "not-sent" },
          error:
            result.mismatch ??
            new PveUnreachable(call.operation, where, token.redact(result.why), "not-made"),
        };
      case "unanswered": {
        const fate = call.repeatable ? "not-made" : "unknown";
        return {
          kind: "failed",
          failure: { kind: "unanswered", timedOut: result.timedOut },
          error: result.timedOut
            ? new PveTimeout(`${call.operation} at ${where}`, attemptMs, fate)
            : new PveUnreachable(call.operation, where, token.redact(result.why), fate),
        };
      }
      case "answer":
        noteAnswer(index, result.date);
        return readAnswer(call, where, decodeAnswer(result.answer));
    }
  }

  function readAnswer(call: Call, where: string, answer: ReturnType<typeof decodeAnswer>): Outcome {
    if (answer.kind === "data") return { kind: "done", answer };
    if (answer.kind === "foreign") {
      throw new AppError(
        "unavailable",
        `${call.operation}: ${where} answered, but not as a Proxmox VE API does`,
        {
          hint: "is this the address of pveproxy (port 8006)?",
        },
      );
    }
    const { status } = answer;
    const reason = token.redact(answer.reason);
    const error = refusalError({
      ...answer,
      reason,
      operation: call.operation,
      owner,
      ...(call.needs && { needs: call.needs }),
    });
    return { kind: "failed", failure: { kind: "refused", status, refusal: readRefusal(reason).kind }, error };
  }

  /** A change whose answer was lost: the task it started, or the loss. It is not sent again. */
  async function lookFor(
    call: Call,
    lost: AppError,
    sentAt: number,
    options: CallOptions,
  ): Promise<ReadAnswer> {
    const task = call.change?.task;
    if (!task) throw lost;
    for (const pauseMs of [500, 2_000]) {
      await sleep(clock, pauseMs, options.signal);
      // By the node's clock; a second less, for what is lost in rounding.
      const since = Math.floor((sentAt + (skewMs ?? 0)) / 1000) - 1;
      const looking = { signal: options.signal, timeoutMs: 20_000 };
      const upid = await findLostTask(api, { task, since, known }, looking).catch(() => undefined);
      if (upid !== undefined) {
        logger.info("the answer to a change was lost, its task was found", {
          operation: call.operation,
          upid,
        });
        known.add(upid);
        return { data: upid, total: undefined };
      }
    }
    throw lost;
  }

  const headersOf = (form: boolean): Record<string, string> =>
    form ? { authorization, "content-type": "application/x-www-form-urlencoded" } : { authorization };

  const api: Caller = {
    owner,
    clockSkewMs: () => skewMs,
    read: (path, query = {}, options = {}) => {
      const search = encodeParams(query);
      const request = {
        method: "GET" as const,
        path: `/api2/json${path}${search && `?${search}`}`,
        headers: headersOf(false),
      };
      return call(
        { operation: `GET ${path}`, request, repeatable: true, needs: undefined, change: undefined },
        options,
      );
    },
    change: async (change, options = {}) => {
      const { method, path } = change;
      const encoded = encodeParams(change.params ?? {});
      // A body on DELETE is a 501.
      const request =
        method === "DELETE"
          ? { method, path: `/api2/json${path}${encoded && `?${encoded}`}`, headers: headersOf(false) }
          : { method, path: `/api2/json${path}`, headers: headersOf(true), body: encoded };
      const operation = `${method} ${path}`;
      const repeatable = change.repeatable ?? false;
      const { data } = await call({ operation, request, repeatable, needs: change.needs, change }, options);
      if (typeof data === "string" && isUpid(data)) remember(data);
      return data;
    },
    sendOnce: async (request, options = {}) => {
      const index = tryOrder(ring, clock.monotonic())[0] ?? 0;
      const operation = `${request.method} ${request.path.replace("/api2/json", "")}`;
      const headers = { ...request.headers, authorization };
      const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
      const result = await exchange.send(index, { ...request, headers, signal: options.signal, timeoutMs });
      const once: Call = {
        operation,
        request: { ...request, headers },
        repeatable: false,
        needs: undefined,
        change: undefined,
      };
      const outcome = readResult({ call: once, index, attemptMs: timeoutMs, signal: options.signal }, result);
      if (outcome.kind === "failed") throw outcome.error;
      return outcome.answer.data;
    },
  };

  function remember(upid: string): void {
    known.add(upid);
    if (known.size > rememberedUpids)
      for (const oldest of known) {
        known.delete(oldest);
        break;
      }
  }

  return api;
}
