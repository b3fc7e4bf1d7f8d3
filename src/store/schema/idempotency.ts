import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const idempotencyKeys = sqliteTable(
  "idempotency_keys",
  {
    identity: text("identity").notNull(),
    keyHash: text("key_hash").notNull(),
    fingerprint: text("fingerprint").notNull(),
    requestId: text("request_id").notNull(),
    auditSeq: integer("audit_seq").notNull(),
    createdAt: integer("created_at").notNull(),
    status: integer("status"),
    contentType: text("content_type"),
    sealedAnswer: text("sealed_answer"),
  },
  (table) => [primaryKey({ columns: [table.identity, table.keyHash] })],
);
