import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

// What the columns hold is said in migrations/0001_machines.sql.

export const machines = sqliteTable("machines", {
  mac: text("mac").primaryKey(),
  name: text("name"),
  state: text("state").notNull(),
  stateSince: integer("state_since").notNull(),
  install: text("install"),
  stage: text("stage"),
  reason: text("reason"),
  heardAt: integer("heard_at"),
  beforeQueued: text("before_queued"),
  firstSeenAt: integer("first_seen_at").notNull(),
  seenAt: integer("seen_at").notNull(),
  uuid: text("uuid"),
  serial: text("serial"),
  summary: text("summary"),
  inventory: text("inventory"),
  bootOptions: text("boot_options"),
});

export const machineNics = sqliteTable("machine_nics", {
  mac: text("mac").primaryKey(),
  machine: text("machine").notNull(),
});

export const machineHistory = sqliteTable("machine_history", {
  id: integer("id").primaryKey(),
  machine: text("machine").notNull(),
  at: integer("at").notNull(),
  what: text("what").notNull(),
});

export const installs = sqliteTable("installs", {
  id: text("id").primaryKey(),
  machine: text("machine").notNull(),
  os: text("os").notNull(),
  spec: text("spec").notNull(),
  queuedAt: integer("queued_at").notNull(),
  startedAt: integer("started_at"),
  endedAt: integer("ended_at"),
  outcome: text("outcome"),
  reason: text("reason"),
  gaps: text("gaps").notNull().default("[]"),
  lost: integer("lost").notNull().default(0),
  durations: text("durations"),
});

export const installTokens = sqliteTable("install_tokens", {
  hash: text("hash").primaryKey(),
  install: text("install").notNull(),
  mac: text("mac").notNull(),
  firmware: text("firmware").notNull(),
  arch: text("arch").notNull(),
  baseUrl: text("base_url").notNull(),
  issuedAt: integer("issued_at").notNull(),
  claimedAt: integer("claimed_at"),
  served: text("served").notNull().default("[]"),
});

export const installStages = sqliteTable(
  "install_stages",
  {
    install: text("install").notNull(),
    seq: integer("seq").notNull(),
    event: integer("event").notNull(),
    stage: text("stage").notNull(),
    outcome: text("outcome").notNull(),
    message: text("message"),
    at: integer("at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.install, table.seq] })],
);

export const installLogs = sqliteTable(
  "install_logs",
  {
    machine: text("machine").notNull(),
    event: integer("event").notNull(),
    install: text("install").notNull(),
    count: integer("count").notNull(),
    machineTotal: integer("machine_total").notNull(),
    installTotal: integer("install_total").notNull(),
    highest: integer("highest").notNull(),
    at: integer("at").notNull(),
    lines: text("lines").notNull(),
  },
  (table) => [primaryKey({ columns: [table.machine, table.event] })],
);
