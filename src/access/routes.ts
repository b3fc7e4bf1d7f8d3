import { z } from "@hono/zod-openapi";
import { type ApiEnv, createApi, type Gate, guardedRoute, openRoute } from "../http/gate.ts";
import type { RateLimits } from "../http/rate-limits.ts";
import { AppError } from "../platform/errors.ts";
import type { Store } from "../store/database.ts";
import {
  auditQuery,
  auditRecord,
  authorityView,
  binding,
  certified,
  createdToken,
  loginRequest,
  newRole,
  newToken,
  newUser,
  roleView,
  tokenView,
  userView,
  whoami,
} from "./api.ts";
import type { AuditLog } from "./audit-log.ts";
import type { Authority } from "./authority.ts";
import type { Directory } from "./directory.ts";
import { decideAccess } from "./permissions.ts";
import type { TokenService } from "./token-service.ts";

export interface AccessRoutesDeps {
  gate: Gate;
  store: Store;
  authority: Authority;
  directory: Directory;
  tokens: TokenService;
  audit: AuditLog;
  limits: RateLimits;
}

const json = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  200: { description, content: { "application/json": { schema } } },
});
const body = <Schema extends z.ZodType>(schema: Schema) => ({
  body: { required: true, content: { "application/json": { schema } } },
});
const nothing = { 204: { description: "done" } } as const;
const named = { params: z.object({ name: z.string().max(64) }) };

/** Users, roles, tokens, the certificate authority and the audit. */
export function createAccessRoutes({
  gate,
  store,
  authority,
  directory,
  tokens,
  audit,
  limits,
}: AccessRoutesDeps) {
  const audited = { audited: true };
  return createApi()
    .openapi(
      openRoute("says only what the asker has proved itself", {
        method: "get",
        path: "/api/v1/whoami",
        summary: "Who you are to labd",
        responses: json(whoami, "You"),
      }),
      (context) => {
        const { name, kind, session, roles } = context.var.actor.principal;
        return context.json(
          { name, kind, ...(session !== undefined && { session }), roles: roles.map((role) => role.name) },
          200,
        );
      },
    )
    .openapi(
      openRoute("answers for the asker's own roles alone", {
        method: "get",
        path: "/api/v1/can-i",
        summary: "Whether you may do something",
        request: {
          query: z.object({ permission: z.string().regex(/^[a-z-]+:[a-z-]+$/, "must be resource:verb") }),
        },
        responses: json(z.object({ allowed: z.boolean(), because: z.string() }), "The decision"),
      }),
      (context) => {
        const [resource = "", verb = ""] = context.req.valid("query").permission.split(":");
        return context.json(decideAccess(context.var.actor.principal.roles, `${resource}:${verb}`), 200);
      },
    )
    .openapi(
      openRoute("needs a one-time login token; bounded by address", {
        method: "post",
        path: "/api/v1/login",
        summary: "A user's certificate for a login token",
        request: body(loginRequest),
        responses: json(certified, "The certificate"),
      }),
      async (context) => {
        limits.take("tokens", context.env.clientIp);
        const { token, csr } = context.req.valid("json");
        const { actor } = context.var;
        const { name, issued } = await store.transaction(async (tx) => {
          const { subject, id } = await tokens.use(tx, "login", token);
          const certificate = await authority.issue(tx, csr, { holder: "user", name: subject });
          await audit.append(tx, actor, {
            action: "users:login",
            resource: `user/${subject}`,
            detail: `token/${id}`,
          });
          return { name: subject, issued: certificate };
        });
        return context.json({ name, certificate: issued.pem, authorities: authority.bundle() }, 200);
      },
    )
    .openapi(
      openRoute("renews the very certificate it is asked with", {
        method: "post",
        path: "/api/v1/renew",
        summary: "A user's next certificate, for the one that still holds",
        request: body(z.strictObject({ csr: z.string().max(10_000) })),
        responses: json(certified, "The certificate"),
      }),
      async (context) => {
        const { actor } = context.var;
        const { kind, name } = actor.principal;
        if (kind !== "user") throw new AppError("conflict", "only a user's certificate is renewed here");
        const user = name.slice("user/".length);
        const issued = await store.transaction(async (tx) => {
          await audit.append(tx, actor, { action: "users:renew", resource: name });
          return authority.issue(tx, context.req.valid("json").csr, { holder: "user", name: user });
        });
        return context.json({ name: user, certificate: issued.pem, authorities: authority.bundle() }, 200);
      },
    )
    .openapi(
      guardedRoute(gate, "tokens:read", {
        method: "get",
        path: "/api/v1/tokens",
        summary: "Tokens, without their secrets",
        responses: json(z.object({ items: z.array(tokenView) }), "Tokens"),
      }),
      async (context) => context.json({ items: await tokens.list() }, 200),
    )
    .openapi(
      guardedRoute(
        gate,
        "tokens:create",
        {
          method: "post",
          path: "/api/v1/tokens",
          summary: "A new token; its text is in this answer alone",
          request: body(newToken),
          responses: json(createdToken, "The token"),
        },
        audited,
      ),
      async (context) => {
        const { actor } = context.var;
        const wanted = context.req.valid("json");
        // Whoever could give a token more than they have would have it themselves.
        if (wanted.kind !== "join") requireAdmin(context, "only an administrator makes login and api tokens");
        const subject = wanted.kind === "login" ? wanted.user : undefined;
        if (wanted.kind === "login" && subject === undefined) {
          throw new AppError("invalid", "'user' is missing: a login token is for one user", {
            hint: "--user NAME",
          });
        }
        const { text, view } = await tokens.create(actor, {
          kind: wanted.kind,
          description: wanted.description,
          scope: wanted.scope,
          lifetime: wanted.lifetime,
          ...(subject !== undefined && { subject }),
          ...(wanted.kind === "login" ? { uses: 1 } : wanted.uses !== undefined && { uses: wanted.uses }),
        });
        for (const role of wanted.roles)
          await directory.setBinding(actor, { kind: "token", name: view.id }, role, true);
        return context.json({ token: text, view }, 200);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "tokens:revoke",
        {
          method: "delete",
          path: "/api/v1/tokens/{name}",
          summary: "Makes a token useless",
          request: named,
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        await tokens.revoke(context.var.actor, context.req.valid("param").name);
        return context.body(null, 204);
      },
    )
    .openapi(
      guardedRoute(gate, "users:read", {
        method: "get",
        path: "/api/v1/users",
        summary: "Users",
        responses: json(z.object({ items: z.array(userView) }), "Users"),
      }),
      async (context) => context.json({ items: await directory.users() }, 200),
    )
    .openapi(
      guardedRoute(
        gate,
        "users:create",
        {
          method: "post",
          path: "/api/v1/users",
          summary: "A new user",
          request: body(newUser),
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        const { name, roles } = context.req.valid("json");
        await directory.createUser(context.var.actor, name);
        for (const role of roles)
          await directory.setBinding(context.var.actor, { kind: "user", name }, role, true);
        return context.body(null, 204);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "users:delete",
        {
          method: "delete",
          path: "/api/v1/users/{name}",
          summary: "Removes a user and revokes its certificates",
          request: named,
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        const { name } = context.req.valid("param");
        await directory.deleteUser(context.var.actor, name);
        await store.transaction((tx) => authority.revoke(tx, "user", name, "the user was removed"));
        return context.body(null, 204);
      },
    )
    .openapi(
      guardedRoute(gate, "roles:read", {
        method: "get",
        path: "/api/v1/roles",
        summary: "Roles and what they grant",
        responses: json(z.object({ items: z.array(roleView) }), "Roles"),
      }),
      async (context) =>
        context.json({ items: (await directory.roles()).map((role) => roleView.parse(role)) }, 200),
    )
    .openapi(
      guardedRoute(
        gate,
        "roles:update",
        {
          method: "put",
          path: "/api/v1/roles",
          summary: "Makes or replaces a role",
          request: body(newRole),
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        await directory.setRole(context.var.actor, context.req.valid("json"));
        return context.body(null, 204);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "roles:delete",
        {
          method: "delete",
          path: "/api/v1/roles/{name}",
          summary: "Removes a role of one's own",
          request: named,
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        await directory.deleteRole(context.var.actor, context.req.valid("param").name);
        return context.body(null, 204);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "roles:bind",
        {
          method: "put",
          path: "/api/v1/bindings",
          summary: "Gives a role",
          request: body(binding),
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        const { role, ...subject } = context.req.valid("json");
        await directory.setBinding(context.var.actor, subject, role, true);
        return context.body(null, 204);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "roles:unbind",
        {
          method: "delete",
          path: "/api/v1/bindings",
          summary: "Takes a role away",
          request: { query: binding },
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        const { role, ...subject } = context.req.valid("query");
        await directory.setBinding(context.var.actor, subject, role, false);
        return context.body(null, 204);
      },
    )
    .openapi(
      openRoute("a root certificate is public; its key is not", {
        method: "get",
        path: "/api/v1/ca.pem",
        summary: "The trusted roots, as PEM",
        responses: {
          200: { description: "PEM", content: { "application/x-pem-file": { schema: z.string() } } },
        },
      }),
      (context) => context.body(authority.bundle(), 200, { "content-type": "application/x-pem-file" }),
    )
    .openapi(
      guardedRoute(gate, "ca:read", {
        method: "get",
        path: "/api/v1/ca",
        summary: "The roots and what hangs on them",
        responses: json(z.object({ items: z.array(authorityView) }), "Roots"),
      }),
      async (context) => context.json({ items: await authority.show() }, 200),
    )
    .openapi(
      guardedRoute(
        gate,
        "ca:rotate",
        {
          method: "post",
          path: "/api/v1/ca/rotate",
          summary: "A new root signs from now on",
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        await authority.rotate(context.var.actor);
        return context.body(null, 204);
      },
    )
    .openapi(
      guardedRoute(gate, "audit:read", {
        method: "get",
        path: "/api/v1/audit",
        summary: "What was done, newest first",
        request: { query: auditQuery },
        responses: json(z.object({ items: z.array(auditRecord), cursor: z.number().optional() }), "Records"),
      }),
      async (context) => {
        const { cursor, ...filter } = context.req.valid("query");
        const items = await audit.list({ ...filter, ...(cursor !== undefined && { before: cursor }) });
        const last = items.length === filter.limit ? items.at(-1)?.seq : undefined;
        return context.json({ items, ...(last !== undefined && { cursor: last }) }, 200);
      },
    )
    .openapi(
      guardedRoute(gate, "audit:read", {
        method: "get",
        path: "/api/v1/audit/verify",
        summary: "Whether the chain of records is whole",
        responses: json(
          z.object({
            whole: z.boolean(),
            records: z.number().optional(),
            seq: z.number().optional(),
            because: z.string().optional(),
          }),
          "The verdict",
        ),
      }),
      async (context) => context.json(await audit.verify(), 200),
    )
    .openapi(
      guardedRoute(gate, "audit:read", {
        method: "get",
        path: "/api/v1/audit/export",
        summary: "Every record, oldest first, a JSON object a line",
        responses: {
          200: { description: "JSON lines", content: { "application/x-ndjson": { schema: z.string() } } },
        },
      }),
      (context) => {
        context.env.untimed();
        const records = audit.all();
        const lines = new ReadableStream<Uint8Array>({
          async pull(controller) {
            const { value, done } = await records.next();
            if (done) controller.close();
            else controller.enqueue(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
          },
          cancel: async () => void (await records.return(undefined)),
        });
        // checked: a stream is a body like any other; the schema can only say that its lines are text
        return context.body(lines, 200, { "content-type": "application/x-ndjson" }) as never;
      },
    );
}

function requireAdmin(context: { var: ApiEnv["Variables"] }, message: string): void {
  if (decideAccess(context.var.actor.principal.roles, "users:create").allowed) return;
  throw new AppError("forbidden", message);
}
