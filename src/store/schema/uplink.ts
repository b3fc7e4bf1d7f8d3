import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

// What the columns hold is said in migrations/0013_uplink.sql.

export const bastions = sqliteTable("bastions", {
  name: text("name").primaryKey(),
  enrolledAt: integer("enrolled_at").notNull(),
  version: text("version"),
  address: text("address"),
  seenAt: integer("seen_at"),
  outbox: text("outbox"),
  taken: integer("taken").notNull().default(0),
});

export const remoteMachines = sqliteTable(
  "remote_machines",
  {
    bastion: text("bastion").notNull(),
    mac: text("mac").notNull(),
    record: text("record").notNull(),
    lost: integer("lost").notNull().default(0),
  },
  (table) => [primaryKey({ columns: [table.bastion, table.mac] })],
);

export const remoteEvents = sqliteTable(
  "remote_events",
  {
    bastion: text("bastion").notNull(),
    mac: text("mac").notNull(),
    event: integer("event").notNull(),
    install: text("install").notNull(),
    kind: text("kind", { enum: ["stage", "lines"] }).notNull(),
    count: integer("count").notNull(),
    fact: text("fact").notNull(),
  },
  (table) => [primaryKey({ columns: [table.bastion, table.mac, table.event] })],
);

export const outbox = sqliteTable("outbox", {
  seq: integer("seq").primaryKey({ autoIncrement: true }),
  kind: text("kind").notNull(),
  mac: text("mac").notNull(),
  supersedes: text("supersedes"),
  lines: integer("lines").notNull(),
  fact: text("fact").notNull(),
});

export const outboxState = sqliteTable("outbox_state", {
  id: text("id").primaryKey(),
  acknowledged: integer("acknowledged").notNull(),
});
