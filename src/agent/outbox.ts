/**
 * What a command put out and its reader has not taken yet: kept so that it survives a lost connection, bounded so
 * that a slow reader slows the command and not memory.
 */
export interface Outbox<Item> {
  /** Numbers `item` and keeps it. `full` afterwards: stop reading the command. */
  add(item: Item, size: number): { seq: number; full: boolean };
  /** Forgets everything up to `seq`. True when it was full and is no more: go on reading. */
  taken(seq: number): boolean;
  /** What has to be sent again to a reader that has everything up to `seq`. */
  after(seq: number): { seq: number; item: Item }[];
  /** Bytes kept. */
  readonly size: number;
}

export function createOutbox<Item>(limit: number): Outbox<Item> {
  let kept: { seq: number; item: Item; size: number }[] = [];
  let last = 0;
  let size = 0;
  return {
    add(item, itemSize) {
      last++;
      kept.push({ seq: last, item, size: itemSize });
      size += itemSize;
      return { seq: last, full: size >= limit };
    },
    taken(seq) {
      const wasFull = size >= limit;
      const cut = kept.findIndex((each) => each.seq > seq);
      const gone = cut === -1 ? kept : kept.slice(0, cut);
      for (const each of gone) size -= each.size;
      kept = cut === -1 ? [] : kept.slice(cut);
      return wasFull && size < limit;
    },
    after: (seq) => kept.filter((each) => each.seq > seq).map(({ seq: own, item }) => ({ seq: own, item })),
    get size() {
      return size;
    },
  };
}
