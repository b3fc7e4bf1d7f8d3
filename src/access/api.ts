import { z } from "zod";
import { grantSchema, subjectName } from "./directory.ts";
import { joinScope } from "./token.ts";

// What the API and its clients agree on.

export const tokenView = z.object({
  id: z.string(),
  kind: z.enum(["join", "login", "api", "link", "session"]),
  description: z.string(),
  subject: z.string(),
  scope: joinScope,
  createdBy: z.string(),
  createdAt: z.number(),
  expiresAt: z.number(),
  usesLeft: z.number().nullable(),
  state: z.enum(["usable", "used up", "expired", "revoked"]),
  lastUsedAt: z.number().nullable(),
});

export const newToken = z.strictObject({
  kind: z.enum(["join", "login", "api"]).default("join"),
  description: z.string().max(200).default(""),
  /** The user a login token is for. */
  user: subjectName.optional(),
  /** Roles an api token holds. */
  roles: z.array(subjectName).max(20).default([]),
  scope: joinScope.prefault({}),
  /** Milliseconds from now. */
  lifetime: z.int().min(1000),
  uses: z.int().min(1).max(100_000).optional(),
});
export const createdToken = z.object({ token: z.string(), view: tokenView });

export const userView = z.object({
  name: z.string(),
  createdAt: z.number(),
  disabled: z.boolean(),
  groups: z.array(z.string()),
  roles: z.array(z.string()),
});
export const newUser = z.strictObject({ name: subjectName, roles: z.array(subjectName).max(20).default([]) });

export const roleView = z.object({ name: z.string(), summary: z.string(), grants: z.array(grantSchema) });
export const newRole = z.strictObject({
  name: subjectName,
  summary: z.string().max(200).default(""),
  grants: z.array(grantSchema).min(1).max(200),
});

export const binding = z.strictObject({
  kind: z.enum(["user", "group", "token"]),
  name: z.string().max(64),
  role: subjectName,
});

export const authorityView = z.object({
  id: z.number(),
  state: z.enum(["active", "trusted"]),
  fingerprint: z.string(),
  pem: z.string(),
  createdAt: z.number(),
  notAfter: z.number(),
  living: z.number(),
});

export const auditRecord = z.object({
  seq: z.number(),
  at: z.number(),
  actor: z.string(),
  session: z.string().optional(),
  from: z.string(),
  action: z.string(),
  resource: z.string(),
  result: z.enum(["allowed", "refused", "failed"]),
  detail: z.string().optional(),
  duration: z.number(),
  requestId: z.string(),
  hash: z.string(),
});
export const auditQuery = z.object({
  actor: z.string().max(100).optional(),
  action: z.string().max(100).optional(),
  resource: z.string().max(200).optional(),
  result: z.enum(["allowed", "refused", "failed"]).optional(),
  since: z.coerce.number().optional(),
  until: z.coerce.number().optional(),
  cursor: z.coerce.number().optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

export const loginRequest = z.strictObject({ token: z.string().max(300), csr: z.string().max(10_000) });
export const certified = z.object({ name: z.string(), certificate: z.string(), authorities: z.string() });

export const whoami = z.object({
  name: z.string(),
  kind: z.string(),
  session: z.string().optional(),
  roles: z.array(z.string()),
});
