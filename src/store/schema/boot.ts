import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const dhcpLeases = sqliteTable("dhcp_leases", {
  /** Dotted. */
  address: text("address").primaryKey(),
  /** The subnet it was given on: a MAC may hold one address in each. `10.0.0.0/24`. */
  network: text("network").notNull(),
  mac: text("mac").notNull(),
  state: text("state", { enum: ["bound", "released", "declined"] }).notNull(),
  /** Milliseconds since the epoch; for `declined` the end of the quarantine. */
  expiresAt: integer("expires_at").notNull(),
  hostname: text("hostname"),
});
