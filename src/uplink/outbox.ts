import type { Journal, MachineFact } from "../machines/service.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import type { Queries, Store } from "../store/database.ts";
import {
  acknowledge,
  appendFact,
  beginAnew,
  countWaiting,
  dropOldestLines,
  factsAfter,
  type NumberedFact,
  readState,
} from "./outbox-repository.ts";

/**
 * What labd elsewhere is yet to be told, in the order in which it came true. It is written within the transaction
 * that makes it true, so that neither a kill nor a power cut comes in between. States and stages are never lost; of
 * log lines only so many are kept, the oldest go first, and how many went is told.
 */
export interface Outbox {
  /** Names this outbox and no other; `undefined` until it was begun. */
  readonly id: string | undefined;
  /** labd has everything up to this number. */
  readonly acknowledged: number;
  readonly note: Journal;
  /** Begins it with all that is now; again when labd went back to a backup and lacks what it had acknowledged. */
  begin(tell: (tx: Queries) => readonly MachineFact[]): Promise<void>;
  /** The next facts after `seq`. */
  after(seq: number): NumberedFact[];
  /** labd has stored everything up to `seq`: it is forgotten here. */
  taken(seq: number): Promise<void>;
  waiting(): { facts: number; lines: number };
  /** Calls `run` soon after something was noted. */
  onNoted(run: () => void): void;
}

/** Log lines kept for an outage: some fifty installs. */
const defaultMaxLines = 100_000;
/** This part of them is let go at once, so that room is not made for each line. */
const share = 20;
const atOnce = 50;
/** Characters of log lines in one fact; what an installer sends at once may be more than a message holds. */
const maxCharacters = 64 * 1024;
/** Milliseconds from a note to its being told: its transaction has to be through, and others may follow. */
const soon = 30;

export function openOutbox({
  store,
  clock,
  logger,
  newId,
  maxLines = defaultMaxLines,
}: {
  store: Store;
  clock: Clock;
  logger: Logger;
  newId: () => string;
  maxLines?: number;
}): Outbox {
  let state = readState(store.read);
  // Never too low: a transaction that fails after its note is counted until all is counted anew.
  let lines = countWaiting(store.read).lines;
  let noted = () => {};
  let announced = false;

  function makeRoom(tx: Queries): void {
    lines = countWaiting(tx).lines;
    if (lines <= maxLines) return;
    const dropped = dropOldestLines(tx, lines - maxLines + Math.ceil(maxLines / share));
    lines -= dropped;
    logger.warn("labd has been away for too long: the oldest log lines will not be told", { dropped });
  }

  return {
    get id() {
      return state?.id;
    },
    get acknowledged() {
      return state?.acknowledged ?? 0;
    },
    note(tx, fact) {
      for (const part of partsOf(fact)) appendFact(tx, part);
      if (fact.kind === "lines") lines += fact.lines.length;
      if (lines > maxLines) makeRoom(tx);
      if (announced) return;
      announced = true;
      clock.after(soon, () => {
        announced = false;
        noted();
      });
    },
    async begin(tell) {
      await store.transaction((tx) => {
        beginAnew(tx, newId());
        for (const fact of tell(tx)) for (const part of partsOf(fact)) appendFact(tx, part);
        makeRoom(tx);
      });
      state = readState(store.read);
    },
    after: (seq) => factsAfter(store.read, seq, atOnce),
    async taken(seq) {
      await store.transaction((tx) => acknowledge(tx, seq));
      state = readState(store.read);
      lines = countWaiting(store.read).lines;
    },
    waiting: () => countWaiting(store.read),
    onNoted(run) {
      noted = run;
    },
  };
}

/** A large batch of log lines as several, numbered as its lines are. */
export function partsOf(fact: MachineFact): MachineFact[] {
  if (fact.kind !== "lines") return [fact];
  const parts: MachineFact[] = [];
  let from = 0;
  let characters = 0;
  fact.lines.forEach(([, text], index) => {
    if (characters > 0 && characters + text.length > maxCharacters) {
      parts.push({ ...fact, event: fact.event + from, lines: fact.lines.slice(from, index) });
      from = index;
      characters = 0;
    }
    characters += text.length;
  });
  return [...parts, { ...fact, event: fact.event + from, lines: fact.lines.slice(from) }];
}
