import { z } from "zod";
import { pageQuery } from "../http/page.ts";
import { grantSchema, subjectName } from "./directory.ts";
import { joinScope } from "./token.ts";

// What the API and its clients agree on.

export const tokenView = z.object({
  id: z.string(),
  kind: z.enum(["join", "login", "api"]),
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

export const tokenQuery = pageQuery.extend({
  cursor: z
    .string()
    .regex(/^\d{1,15} [0-9a-f]{1,40}$/, "must be a page's 'next'")
    .optional(),
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

export const groupView = z.object({ name: z.string(), members: z.array(z.string()) });
export const groupMembers = z.strictObject({ members: z.array(subjectName).max(10_000) });

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
  agents: z.array(z.string()),
  bastions: z.array(z.string()),
  users: z.array(z.string()),
  /** Join and login tokens that carry its fingerprint and can be used still. */
  tokens: z.number(),
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
/** `*` in actor, action or resource stands for anything. */
export const auditFilter = z.object({
  actor: z.string().max(100).optional(),
  action: z.string().max(100).optional(),
  resource: z.string().max(200).optional(),
  result: z.enum(["allowed", "refused", "failed"]).optional(),
});
export const auditQuery = pageQuery.extend({
  ...auditFilter.shape,
  since: z.coerce.number().optional(),
  until: z.coerce.number().optional(),
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, "must be a page's 'next'")
    .optional(),
});

export const loginRequest = z.strictObject({ token: z.string().max(300), csr: z.string().max(10_000) });
export const certified = z.object({ name: z.string(), certificate: z.string(), authorities: z.string() });

/** A link that opens a page, once: `path` below labd's address. */
export const sessionLink = z.object({ address: z.string(), path: z.string(), until: z.number() });
export const sessionView = z.object({
  id: z.string(),
  subject: z.string(),
  from: z.string(),
  browser: z.string(),
  createdAt: z.number(),
  seenAt: z.number(),
  endsAt: z.number(),
  /** `offered`: its link was not followed yet. */
  state: z.enum(["offered", "open"]),
});

// After RFC 8628, sections 3.2 to 3.5; durations are seconds there. A poll is always answered: waiting is no error.
export const deviceLoginRequest = z.strictObject({
  csr: z.string().max(10_000),
  /** The host's name, for whoever lets it in to recognise. */
  host: z.string().regex(/^[\x20-\x7e]{1,253}$/, "must be printable"),
});
export const deviceLogin = z.object({
  device_code: z.string(),
  user_code: z.string(),
  verification_uri: z.string(),
  expires_in: z.number(),
  interval: z.number(),
});
export const devicePoll = z.strictObject({ device_code: z.string().max(100) });
export const devicePolled = z.discriminatedUnion("status", [
  z.object({ status: z.literal("authorization_pending"), interval: z.number() }),
  z.object({ status: z.literal("slow_down"), interval: z.number() }),
  z.object({ status: z.literal("access_denied") }),
  z.object({ status: z.literal("expired_token") }),
  certified.extend({ status: z.literal("granted") }),
]);
export const deviceRequest = z.object({
  code: z.string(),
  host: z.string(),
  from: z.string(),
  createdAt: z.number(),
  expiresAt: z.number(),
});
export const deviceApproval = z.strictObject({ user: subjectName.optional() });

export const whoami = z.object({
  name: z.string(),
  kind: z.string(),
  session: z.string().optional(),
  roles: z.array(z.string()),
});
