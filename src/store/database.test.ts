import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { openStore, type Store } from "./database.ts";
import { migrations } from "./migrations.ts";
import { migrate } from "./migrator.ts";

let directory: string;
let store: Store;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "labctl-store-"));
  store = openStore(join(directory, "db.sqlite"));
  await store.transaction((tx) => tx.run(sql`CREATE TABLE counted (n INTEGER UNIQUE)`));
});
afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

const insert = (n: number) => store.transaction((tx) => tx.run(sql`INSERT INTO counted VALUES (${n})`));
const all = () => store.read.all<{ n: number }>(sql`SELECT n FROM counted ORDER BY n`).map((row) => row.n);

test("a transaction that resolved is seen by the reader", async () => {
  await insert(1);
  expect(all()).toEqual([1]);
});

test("one that throws undoes itself alone among those that share its commit", async () => {
  const results = await Promise.allSettled([
    insert(1),
    store.transaction((tx) => {
      tx.run(sql`INSERT INTO counted VALUES (2)`);
      throw new Error("no");
    }),
    insert(3),
    insert(3),
  ]);
  expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected", "fulfilled", "rejected"]);
  expect(all()).toEqual([1, 3]);
});

test("writes of requests that arrive in the same turn of the loop share a commit", async () => {
  const commits: number[] = [];
  const observed = openStore(join(directory, "shared.sqlite"), {
    committed: (transactions) => commits.push(transactions),
  });
  // each callback has its own microtasks run before the next, as each request that is read has
  const arrive = () =>
    new Promise<void>((resolve) => setImmediate(() => resolve(observed.transaction(() => {}))));
  await Promise.all([arrive(), arrive(), arrive()]);
  await observed.close();
  expect(commits).toEqual([3]);
});

test("a write that follows another at once, however many turns later, is never left waiting", async () => {
  for (let turns = 0; turns < 12; turns++) {
    await insert(turns * 2);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await insert(turns * 2 + 1);
  }
  expect(all()).toHaveLength(24);
});

test("the reader never sees a transaction under way", async () => {
  await store.transaction(async (tx) => {
    tx.run(sql`INSERT INTO counted VALUES (7)`);
    await Bun.sleep(1);
    expect(all()).toEqual([]);
  });
  expect(all()).toEqual([7]);
});

test("close waits for what was accepted and refuses what comes after", async () => {
  const accepted = insert(1);
  const closing = store.close();
  await accepted;
  await closing;
  await expect(insert(2)).rejects.toThrow("closed");
  store = openStore(join(directory, "db.sqlite"));
  expect(all()).toEqual([1]);
});

test("a file that is no database, or damaged inside, is named with what to do", async () => {
  await store.close();
  const path = join(directory, "db.sqlite");
  const whole = readFileSync(path);
  for (const at of [0, 4096]) {
    writeFileSync(path, Buffer.from(whole).fill("x", at, at + 4096));
    expect(() => openStore(path)).toThrow(`cannot open the database ${path}: `);
  }
  writeFileSync(path, whole);
  store = openStore(path);
});

test("a database newer than the program is refused, and left as it was", () => {
  const database = new Database(":memory:");
  migrate(database, [{ name: "0001_a", sql: "CREATE TABLE a (x)" }], "x.db");
  expect(() => migrate(database, [], "x.db")).toThrow("newer version of labctl (it has 0001_a)");
});

test("a migration that was changed after it was applied is refused", () => {
  const database = new Database(":memory:");
  migrate(database, [{ name: "0001_a", sql: "CREATE TABLE a (x)" }], "x.db");
  expect(() => migrate(database, [{ name: "0001_a", sql: "CREATE TABLE b (x)" }], "x.db")).toThrow("differs");
});

test("a migration that fails leaves nothing of any of them", () => {
  const database = new Database(":memory:");
  const broken = [
    { name: "0001_a", sql: "CREATE TABLE a (x)" },
    { name: "0002_b", sql: "CREATE TABEL b" },
  ];
  expect(() => migrate(database, broken, "x.db")).toThrow();
  expect(database.query("SELECT name FROM sqlite_master").all()).toEqual([]);
});

test("every file of migrations/ is embedded, in order", () => {
  const files = [...new Bun.Glob("*.sql").scanSync(join(import.meta.dir, "../../migrations"))].filter(
    (name) => name.endsWith(".sql"),
  );
  expect(migrations.map((migration) => `${migration.name}.sql`)).toEqual(files.sort());
});
