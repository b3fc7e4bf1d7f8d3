import { Database } from "bun:sqlite";
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { sql } from "drizzle-orm";
import { type BunSQLiteDatabase, drizzle } from "drizzle-orm/bun-sqlite";
import { AppError } from "../platform/errors.ts";
import { migrations } from "./migrations.ts";
import { migrate } from "./migrator.ts";

/** What queries are written against; a repository takes one as its first argument. */
export type Queries = BunSQLiteDatabase<Record<string, never>> & {
  /** The statements `make` prepares, made once for this connection: building the SQL costs more than running it. */
  prepared<Statements>(make: (queries: Queries) => Statements): Statements;
};

export interface Store {
  /** For reading: sees what was committed, never a transaction under way. */
  readonly read: Queries;
  /**
   * Runs `work` in a transaction and resolves once it is durable. Transactions that wait at the same time
   * share one commit, each in a savepoint of its own, so one that throws undoes itself alone.
   * `work` must await nothing but queries.
   * @throws `unavailable` when too many wait or the disk is full.
   */
  transaction<T>(work: (tx: Queries) => T | Promise<T>): Promise<T>;
  /** Writes something that changes nothing, and waits until it is durable. @throws as `transaction` */
  probe(): Promise<void>;
  /** Transactions that wait for their commit. */
  waiting(): number;
  /** Bytes on disk, with the log of what was not yet moved into the file. */
  size(): number;
  /** Waits for what is under way, then closes the file. */
  close(): Promise<void>;
}

/** Transactions that may wait; past it the caller is told to come back. */
const maxWaiting = 10_000;
/** Transactions that share a commit at the most, so that none waits long for the others. */
const maxShared = 512;

interface Waiting {
  run: (tx: Queries) => unknown;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

export interface StoreObserver {
  /** A commit was made: of how many transactions, and how long it took in milliseconds. */
  committed?(transactions: number, took: number): void;
  /** The file system is full, told once; nothing is written until there is room again, which is told as well. */
  full?(problem: AppError): void;
  room?(): void;
}

/** Opens (and makes) the SQLite file at `path`, brings it to this version's schema, and returns the store. */
export function openStore(path: string, observer: StoreObserver = {}): Store {
  if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  const writer = connect(path);
  try {
    migrate(writer, migrations, path);
  } catch (error) {
    writer.close();
    throw cannotOpen(path, error);
  }
  // An in-memory database is private to its connection: there, reads share the writer's.
  const reader = path === ":memory:" ? writer : connect(path);
  if (reader !== writer) reader.exec("PRAGMA query_only = ON");
  const tx = queriesOn(writer);
  const read = reader === writer ? tx : queriesOn(reader);

  let waiting: Waiting[] = [];
  let committing: Promise<void> | undefined;
  let closed = false;
  let isFull = false;

  /** What a caller is told; of a full disk, whoever runs this is told as well, once. */
  function refused(error: unknown): unknown {
    const cause = fullDisk(error);
    if (cause === undefined) return error;
    const problem = new AppError("unavailable", `no room left to write ${path}`, {
      hint: "free space on that file system; nothing that was acknowledged is lost",
      cause,
    });
    if (!isFull) observer.full?.(problem);
    isFull = true;
    return problem;
  }

  async function commitAll(): Promise<void> {
    while (waiting.length > 0) {
      // One turn of the loop: all requests that have arrived by now are read, and are written together.
      await new Promise((resolve) => setImmediate(resolve));
      const shared = waiting.slice(0, maxShared);
      waiting = waiting.slice(maxShared);
      await commit(shared);
    }
    // In the same turn as the look that found nothing: a write that comes now starts the next commit.
    committing = undefined;
  }

  const savepoint = writer.prepare("SAVEPOINT job");
  const release = writer.prepare("RELEASE job");

  async function commit(shared: Waiting[]): Promise<void> {
    const done: (() => void)[] = [];
    const begun = performance.now();
    try {
      writer.exec("BEGIN IMMEDIATE");
      for (const job of shared) {
        savepoint.run();
        try {
          const value = await job.run(tx);
          release.run();
          done.push(() => job.resolve(value));
        } catch (error) {
          // A full disk ends the whole transaction: then there is no savepoint left to return to.
          if (!writer.inTransaction) throw error;
          writer.exec("ROLLBACK TO job; RELEASE job");
          done.push(() => job.reject(refused(error)));
        }
      }
      writer.exec("COMMIT");
      observer.committed?.(shared.length, performance.now() - begun);
      if (isFull) observer.room?.();
      isFull = false;
      for (const settle of done) settle();
    } catch (error) {
      if (writer.inTransaction) writer.exec("ROLLBACK");
      const told = refused(error);
      for (const job of shared) job.reject(told);
    }
  }

  function transaction<T>(work: (tx: Queries) => T | Promise<T>): Promise<T> {
    if (closed) return Promise.reject(new AppError("unavailable", "the database is closed"));
    if (waiting.length >= maxWaiting) {
      return Promise.reject(
        new AppError("unavailable", `${maxWaiting} writes are waiting for ${path}`, {
          hint: "the disk is too slow for this load; try again in a moment",
        }),
      );
    }
    const result = new Promise<T>((resolve, reject) => {
      // checked: `resolve` is called with what this job's own `work` returned
      waiting.push({ run: work, resolve: resolve as (value: unknown) => void, reject });
    });
    committing ??= commitAll();
    return result;
  }

  return {
    read,
    transaction,
    // SQLite writes the page of a row that is updated, whatever it holds afterwards.
    probe: () => transaction((tx) => void tx.run(sql`UPDATE schema_migrations SET hash = hash`)),
    waiting: () => waiting.length,
    size: () =>
      [path, `${path}-wal`].reduce(
        (sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0),
        0,
      ),
    async close() {
      closed = true;
      await committing;
      if (reader !== writer) reader.close();
      try {
        writer.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      } catch (error) {
        // Without room for that, what was committed stays in the log beside the file, and is read from there.
        if (fullDisk(error) === undefined) throw error;
      } finally {
        writer.close();
      }
    },
  };
}

function queriesOn(database: Database): Queries {
  const made = new Map<unknown, unknown>();
  const queries: Queries = Object.assign(drizzle(database), {
    prepared<Statements>(make: (queries: Queries) => Statements): Statements {
      if (!made.has(make)) made.set(make, make(queries));
      // checked: what this very `make` returned
      return made.get(make) as Statements;
    },
  });
  return queries;
}

function connect(path: string): Database {
  try {
    const database = new Database(path, { create: true });
    // FULL: what was acknowledged must survive a power loss, not only a crash.
    database.exec(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000",
    );
    return database;
  } catch (cause) {
    throw cannotOpen(path, cause);
  }
}

function cannotOpen(path: string, cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  return new AppError("unavailable", `cannot open the database ${path}: ${reason(cause)}`, {
    hint: "check that it belongs to the service's user, has room and nobody else holds it; if it is damaged, restore a backup",
    cause,
  });
}

/** Drizzle wraps what SQLite says. */
function fullDisk(error: unknown): Error | undefined {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error && "code" in cause && cause.code === "SQLITE_FULL" ? cause : undefined;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
