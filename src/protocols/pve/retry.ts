import type { RefusalKind } from "./refusal.ts";

/** What went wrong with one attempt, as far as its consequences go. */
export type Failure =
  /** No connection, or TLS failed: not a byte of the request has left. */
  | { kind: "not-sent" }
  /** It is another host than the one that was pinned; it will not become the right one by waiting. */
  | { kind: "not-trusted" }
  /** The connection broke, or no answer came in time: the request may have been carried out. */
  | { kind: "unanswered"; timedOut: boolean }
  | { kind: "refused"; status: number; refusal: RefusalKind };

export interface Attempt {
  failure: Failure;
  /** A read, or a change that may be made twice. */
  repeatable: boolean;
  /** How many attempts there have been, this one included. */
  attempts: number;
  /** Milliseconds since the first one began. */
  elapsedMs: number;
  /** How many endpoints have not been tried since the first attempt. */
  untried: number;
}

export type RetryVerdict =
  | { kind: "again"; afterMs: number; elsewhere: boolean }
  /** It may have happened: look at the node's tasks before anything else. */
  | { kind: "look-first" }
  | { kind: "give-up" };

const maxAttempts = 4;
/** A stop's clean-up holds the lock file for up to 30 s; a start after it is worth trying for longer. */
export const lockPatienceMs = 45_000;
const lockPauseMs = 2_000;
/** 502, 503: a proxy in front. 595, 596: one node's API could not reach the other's. */
const passing = new Set([502, 503, 595, 596]);
/** Of those, the ones that say the request was not handed on. */
const undelivered = new Set([503, 595]);

export function decideRetry(attempt: Attempt): RetryVerdict {
  const { failure, repeatable, untried } = attempt;
  if (failure.kind === "not-sent") {
    return untried > 0 ? { kind: "again", afterMs: 0, elsewhere: true } : bounded(attempt, true);
  }
  if (failure.kind === "not-trusted") {
    return untried > 0 ? { kind: "again", afterMs: 0, elsewhere: true } : { kind: "give-up" };
  }
  if (failure.kind === "unanswered") {
    if (!repeatable) return { kind: "look-first" };
    // A read that ran into its time-out has cost enough: once more, at another node where there is one.
    return failure.timedOut && attempt.attempts > 1 ? { kind: "give-up" } : bounded(attempt, true);
  }
  if (failure.refusal === "lock-timeout") {
    return attempt.elapsedMs < lockPatienceMs
      ? { kind: "again", afterMs: lockPauseMs, elsewhere: false }
      : { kind: "give-up" };
  }
  if (!passing.has(failure.status)) return { kind: "give-up" };
  if (!repeatable && !undelivered.has(failure.status)) return { kind: "look-first" };
  return bounded(attempt, true);
}

/** 0.25, 0.5, 1 s, and an end. */
function bounded({ attempts }: Attempt, elsewhere: boolean): RetryVerdict {
  if (attempts >= maxAttempts) return { kind: "give-up" };
  return { kind: "again", afterMs: 250 * 2 ** (attempts - 1), elsewhere };
}
