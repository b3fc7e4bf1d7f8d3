import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";

/** Requests a minute of one identity or address, by what they are for. */
export interface RateLimitSettings {
  general: number;
  enrol: number;
  tokens: number;
  /** Proofs that did not hold. */
  failed: number;
  /** Pieces of files that are handed over. */
  uploads: number;
}

export interface RateLimits {
  /** @throws `too-many`. */
  take(kind: keyof RateLimitSettings, who: string): void;
}

/** Identities and addresses remembered at once; the longest unseen is forgotten first. */
const remembered = 10_000;
const minute = 60_000;

/** A bucket for each kind and identity: full at first, filled evenly, one request takes one. */
export function createRateLimits(
  settings: RateLimitSettings,
  clock: Clock,
  refused: (kind: keyof RateLimitSettings) => void = () => {},
): RateLimits {
  const buckets = new Map<string, { left: number; at: number }>();
  return {
    take(kind, who) {
      const limit = settings[kind];
      const key = `${kind} ${who}`;
      const now = clock.monotonic();
      const bucket = buckets.get(key) ?? { left: limit, at: now };
      const left = Math.min(limit, bucket.left + ((now - bucket.at) / minute) * limit);
      // Re-inserting moves it to the end: the first of the map is the longest unseen.
      buckets.delete(key);
      buckets.set(key, { left: left < 1 ? left : left - 1, at: now });
      if (buckets.size > remembered) buckets.delete(buckets.keys().next().value ?? "");
      if (left < 1) {
        refused(kind);
        const retryAfter = Math.max(1, Math.ceil(((1 - left) * 60) / limit - 1e-6));
        throw new AppError("too-many", `more than ${limit} requests a minute`, {
          hint: `try again in ${retryAfter} s`,
          retryAfter,
        });
      }
    },
  };
}
