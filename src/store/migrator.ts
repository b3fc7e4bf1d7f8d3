import type { Database } from "bun:sqlite";
import { createHash } from "node:crypto";
import { AppError } from "../platform/errors.ts";

export interface Migration {
  /** `NNNN_name`, the file's name without `.sql`; applied in this order. */
  name: string;
  sql: string;
}

/**
 * Brings `database` to the newest of `migrations`, all in one transaction.
 * @throws `conflict` when the database is newer than this program or was made by other files.
 */
export function migrate(database: Database, migrations: readonly Migration[], path: string): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    database.exec(
      "CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY, hash TEXT NOT NULL, applied_at INTEGER NOT NULL DEFAULT (unixepoch() * 1000)) STRICT",
    );
    const applied = new Map(
      database
        .query<{ name: string; hash: string }, []>("SELECT name, hash FROM schema_migrations")
        .all()
        .map((row) => [row.name, row.hash]),
    );
    const known = new Set(migrations.map((migration) => migration.name));
    const newer = [...applied.keys()].filter((name) => !known.has(name)).sort();
    if (newer.length > 0) {
      throw new AppError(
        "conflict",
        `${path} was written by a newer version of labctl (it has ${newer.join(", ")})`,
        {
          hint: "install that version again, or start from a backup made before the upgrade",
        },
      );
    }
    const record = database.query("INSERT INTO schema_migrations (name, hash) VALUES (?, ?)");
    for (const migration of migrations) {
      const hash = createHash("sha256").update(migration.sql).digest("hex");
      const before = applied.get(migration.name);
      if (before === hash) continue;
      if (before !== undefined) {
        throw new AppError(
          "conflict",
          `${path}: migration ${migration.name} differs from the one that was applied`,
          {
            hint: "this program was built from changed migrations; use a released build",
          },
        );
      }
      database.exec(migration.sql);
      record.run(migration.name, hash);
    }
    database.exec("COMMIT");
  } catch (error) {
    if (database.inTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
