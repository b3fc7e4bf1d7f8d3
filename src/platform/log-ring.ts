import type { LogFields, LogLevel, LogSink } from "./logger.ts";

export interface LogRecord {
  /** Grows with each record, also over a restart: where a reader goes on. */
  id: number;
  /** Milliseconds since the epoch. */
  at: number;
  level: LogLevel;
  message: string;
  fields: LogFields;
}

/** The last records of this process's own log, for whoever reads them over the API. */
export interface LogRing extends LogSink {
  /** The records after `id`, oldest first. */
  after(id: number, limit: number): LogRecord[];
  /** Calls `run` after each record, until the returned function is called. */
  onRecord(run: () => void): () => void;
}

const maxCharacters = 2000;

export function createLogRing(now: () => number, capacity = 5000): LogRing {
  let kept: LogRecord[] = [];
  let last = 0;
  const readers = new Set<() => void>();
  return {
    write(level, message, fields) {
      const at = now();
      // A thousand a millisecond, and never backwards: the next process begins above what this one gave out.
      last = Math.max(last + 1, at * 1000);
      kept.push({ id: last, at, level, message: message.slice(0, maxCharacters), fields: cut(fields) });
      // Half as much again before it is cut, so that not each record moves all of them.
      if (kept.length > capacity * 1.5) kept = kept.slice(-capacity);
      for (const run of readers) run();
    },
    after(id, limit) {
      const from = kept.findIndex((record) => record.id > id);
      return from === -1 ? [] : kept.slice(Math.max(from, kept.length - capacity)).slice(0, limit);
    },
    onRecord(run) {
      readers.add(run);
      return () => void readers.delete(run);
    },
  };
}

const cut = (fields: LogFields): LogFields =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, typeof value === "string" ? value.slice(0, maxCharacters) : value]],
    ),
  );
