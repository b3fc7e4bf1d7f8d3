import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const boots = sqliteTable(
  "boots",
  {
    id: integer("id").primaryKey(),
    mac: text("mac").notNull(),
    /** Milliseconds since the epoch, like every time here. */
    startedAt: integer("started_at").notNull(),
    lastAt: integer("last_at").notNull(),
    /** How far it came: 0 DHCP, 1 loader, 2 script, 3 kernel, 4 system. */
    phase: integer("phase").notNull(),
    /** Facts that found no room. */
    dropped: integer("dropped").notNull(),
  },
  (table) => [
    index("boots_by_mac").on(table.mac, table.id),
    index("boots_by_phase").on(table.phase, table.id),
  ],
);

export const bootFacts = sqliteTable(
  "boot_facts",
  {
    bootId: integer("boot_id").notNull(),
    seq: integer("seq").notNull(),
    lastAt: integer("last_at").notNull(),
    /** How often it happened in a row. */
    times: integer("times").notNull(),
    /** A `BootFact` as JSON. */
    fact: text("fact").notNull(),
  },
  (table) => [primaryKey({ columns: [table.bootId, table.seq] })],
);
