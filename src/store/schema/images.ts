import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

// What the columns hold is said in migrations/0009_images.sql.

export const images = sqliteTable(
  "images",
  {
    name: text("name").notNull(),
    kind: text("kind", { enum: ["disk", "installer"] }).notNull(),
    size: integer("size").notNull(),
    sha256: text("sha256").notNull(),
    rawSize: integer("raw_size"),
    compression: text("compression", { enum: ["zstd", "none"] }),
    source: text("source").notNull(),
    addedAt: integer("added_at").notNull(),
    files: text("files").notNull().default("[]"),
  },
  (table) => [primaryKey({ columns: [table.kind, table.name] })],
);
