import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const servers = sqliteTable("servers", {
  name: text("name").primaryKey(),
  labels: text("labels", { mode: "json" }).notNull(),
  macs: text("macs", { mode: "json" }).notNull(),
  enrolledAt: integer("enrolled_at").notNull(),
  agentVersion: text("agent_version"),
  address: text("address"),
  seenAt: integer("seen_at"),
  facts: text("facts", { mode: "json" }),
  factsAt: integer("facts_at"),
});

export const serverHistory = sqliteTable("server_history", {
  id: integer("id").primaryKey(),
  server: text("server").notNull(),
  at: integer("at").notNull(),
  what: text("what").notNull(),
});
