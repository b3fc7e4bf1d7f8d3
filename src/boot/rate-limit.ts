/** A token bucket for each key, bounded in number: a flood of keys forgets the longest silent first. */
export interface RateLimit {
  /** Takes a token at `now` (milliseconds); false when there is none. */
  take(key: string, now: number): boolean;
}

export function createRateLimit(options: { burst: number; perSecond: number; keys: number }): RateLimit {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return {
    take(key, now) {
      const bucket = buckets.get(key) ?? { tokens: options.burst, at: now };
      bucket.tokens = Math.min(options.burst, bucket.tokens + ((now - bucket.at) / 1000) * options.perSecond);
      bucket.at = now;
      buckets.delete(key);
      buckets.set(key, bucket);
      if (buckets.size > options.keys) {
        const oldest = buckets.keys().next().value;
        if (oldest !== undefined) buckets.delete(oldest);
      }
      if (bucket.tokens < 1) return false;
      bucket.tokens--;
      return true;
    },
  };
}
