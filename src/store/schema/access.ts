import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const authorities = sqliteTable("authorities", {
  id: integer("id").primaryKey(),
  pem: text("pem").notNull(),
  sealedKey: text("sealed_key").notNull(),
  fingerprint: text("fingerprint").notNull(),
  state: text("state", { enum: ["active", "trusted"] }).notNull(),
  createdAt: integer("created_at").notNull(),
  notAfter: integer("not_after").notNull(),
  retiredAt: integer("retired_at"),
  crossPem: text("cross_pem"),
});

export const certificates = sqliteTable("certificates", {
  fingerprint: text("fingerprint").primaryKey(),
  serial: text("serial").notNull(),
  authorityId: integer("authority_id").notNull(),
  holder: text("holder", { enum: ["server", "agent", "bastion", "user"] }).notNull(),
  name: text("name").notNull(),
  issuedAt: integer("issued_at").notNull(),
  notAfter: integer("not_after").notNull(),
  revokedAt: integer("revoked_at"),
  revokedBecause: text("revoked_because"),
});

export const users = sqliteTable("users", {
  name: text("name").primaryKey(),
  createdAt: integer("created_at").notNull(),
  disabledAt: integer("disabled_at"),
});

export const groupMembers = sqliteTable(
  "group_members",
  { groupName: text("group_name").notNull(), userName: text("user_name").notNull() },
  (table) => [primaryKey({ columns: [table.groupName, table.userName] })],
);

export const roles = sqliteTable("roles", {
  name: text("name").primaryKey(),
  summary: text("summary").notNull(),
  grants: text("grants", { mode: "json" }).notNull(),
});

export const roleBindings = sqliteTable(
  "role_bindings",
  {
    subjectKind: text("subject_kind", { enum: ["user", "group", "token"] }).notNull(),
    subject: text("subject").notNull(),
    role: text("role").notNull(),
  },
  (table) => [primaryKey({ columns: [table.subjectKind, table.subject, table.role] })],
);

export const tokens = sqliteTable("tokens", {
  id: text("id").primaryKey(),
  kind: text("kind", { enum: ["join", "login", "api"] }).notNull(),
  hash: text("hash").notNull(),
  description: text("description").notNull(),
  subject: text("subject").notNull(),
  scope: text("scope", { mode: "json" }).notNull(),
  createdBy: text("created_by").notNull(),
  createdAt: integer("created_at").notNull(),
  expiresAt: integer("expires_at").notNull(),
  usesLeft: integer("uses_left"),
  revokedAt: integer("revoked_at"),
  lastUsedAt: integer("last_used_at"),
});

export const sessions = sqliteTable("sessions", {
  id: text("id").primaryKey(),
  subject: text("subject").notNull(),
  linkHash: text("link_hash"),
  linkUntil: integer("link_until").notNull(),
  cookieHash: text("cookie_hash"),
  fromAddress: text("from_address").notNull(),
  browser: text("browser").notNull(),
  createdAt: integer("created_at").notNull(),
  seenAt: integer("seen_at").notNull(),
  endsAt: integer("ends_at").notNull(),
  endedAt: integer("ended_at"),
});

export const deviceLogins = sqliteTable("device_logins", {
  deviceHash: text("device_hash").primaryKey(),
  userCode: text("user_code").notNull(),
  csr: text("csr").notNull(),
  host: text("host").notNull(),
  fromAddress: text("from_address").notNull(),
  createdAt: integer("created_at").notNull(),
  expiresAt: integer("expires_at").notNull(),
  pollInterval: integer("poll_interval").notNull(),
  polledAt: integer("polled_at"),
  state: text("state", { enum: ["pending", "granted", "denied"] }).notNull(),
  subject: text("subject"),
});

export const audit = sqliteTable("audit", {
  seq: integer("seq").primaryKey(),
  at: integer("at").notNull(),
  actor: text("actor").notNull(),
  session: text("session"),
  fromAddress: text("from_address").notNull(),
  action: text("action").notNull(),
  resource: text("resource").notNull(),
  result: text("result", { enum: ["allowed", "refused", "failed"] }).notNull(),
  detail: text("detail"),
  duration: integer("duration").notNull(),
  requestId: text("request_id").notNull(),
  hash: text("hash").notNull(),
});
