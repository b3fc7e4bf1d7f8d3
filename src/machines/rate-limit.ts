/** How much may happen at once, and how much is given back each second. */
export interface Rate {
  burst: number;
  perSecond: number;
}

export interface RateLimit {
  /** Takes `cost` from what `key` has left; false, taking nothing, when that is too little. `now` in milliseconds. */
  take(key: string, cost: number, now: number): boolean;
}

/** Token buckets by key. At most `maxKeys` are kept: the one longest unused goes first. */
export function createRateLimit({ burst, perSecond }: Rate, maxKeys = 10_000): RateLimit {
  const buckets = new Map<string, { left: number; at: number }>();
  return {
    take(key, cost, now) {
      const bucket = buckets.get(key) ?? { left: burst, at: now };
      bucket.left = Math.min(burst, bucket.left + (Math.max(0, now - bucket.at) / 1000) * perSecond);
      bucket.at = now;
      // Put back at the end, so that the map's first key is the one longest unused.
      buckets.delete(key);
      buckets.set(key, bucket);
      if (buckets.size > maxKeys) {
        const oldest = buckets.keys().next();
        if (!oldest.done) buckets.delete(oldest.value);
      }
      if (bucket.left < cost) return false;
      bucket.left -= cost;
      return true;
    },
  };
}
