/** A map that holds `limit` entries at most: the one not put or got for the longest time goes first. */
export interface Latest<Key, Value> {
  get(key: Key): Value | undefined;
  put(key: Key, value: Value): void;
}

export function createLatest<Key, Value>(limit: number): Latest<Key, Value> {
  const entries = new Map<Key, Value>();
  const put = (key: Key, value: Value) => {
    entries.delete(key);
    entries.set(key, value);
    if (entries.size <= limit) return;
    const oldest = entries.keys().next();
    if (!oldest.done) entries.delete(oldest.value);
  };
  return {
    get(key) {
      const value = entries.get(key);
      if (value !== undefined) put(key, value);
      return value;
    },
    put,
  };
}
