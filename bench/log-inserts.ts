/**
 * The limit of log ingest: what SQLite takes from one program that does nothing else, in equal batches, each a
 * durable transaction of one row. Usage: log-inserts.ts FILE BATCH SECONDS; prints lines a second.
 */
import { Database } from "bun:sqlite";

const [file = "", batch = "1", seconds = "1"] = process.argv.slice(2);
const database = new Database(file);
database.run("PRAGMA journal_mode = WAL");
database.run("PRAGMA synchronous = FULL");
database.run(
  "CREATE TABLE IF NOT EXISTS lines (id INTEGER PRIMARY KEY, machine TEXT, at INTEGER, text TEXT)",
);
const insert = database.prepare("INSERT INTO lines (machine, at, text) VALUES (?, ?, ?)");
const text = "anaconda: INFO: installing kernel-core-6.14.0-63.fc42.x86_64 (412/1187), 00:03:11 elapsed";
const write = database.transaction((count: number) => {
  for (let n = 0; n < count; n++) insert.run("52:54:00:00:00:01", Date.now(), text);
});
const began = performance.now();
const end = began + Number(seconds) * 1000;
let lines = 0;
while (performance.now() < end) {
  write(Number(batch));
  lines += Number(batch);
}
console.log(lines / ((performance.now() - began) / 1000));
database.close();
