import { z } from "@hono/zod-openapi";
import { type ApiEnv, createApi, type Gate, guardedRoute, openRoute } from "../http/gate.ts";
import { pageOf, pageOfRows } from "../http/page.ts";
import type { RateLimits } from "../http/rate-limits.ts";
import { body, json, named, nothing } from "../http/route-parts.ts";
import { AppError } from "../platform/errors.ts";
import type { Store } from "../store/database.ts";
import { certified, createdToken, loginRequest, newToken, tokenQuery, tokenView } from "./api.ts";
import type { AuditLog } from "./audit-log.ts";
import type { Authority } from "./authority.ts";
import type { Directory } from "./directory.ts";
import { mayLetInAsAnybody } from "./permissions.ts";
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

/** Logging in, and tokens. */
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
        const { kind, name, session } = actor.principal;
        // A browser's session ends; what it could have renewed would not.
        if (kind !== "user" || !session?.startsWith("certificate/"))
          throw new AppError("conflict", "only a user's certificate is renewed here");
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
        request: { query: tokenQuery },
        responses: json(pageOf(tokenView), "Tokens, newest first"),
      }),
      async (context) => {
        const { limit, cursor } = context.req.valid("query");
        const [createdAt = "", id = ""] = cursor?.split(" ") ?? [];
        const before = cursor === undefined ? undefined : { createdAt: Number(createdAt), id };
        const rows = await tokens.list(limit + 1, before);
        return context.json(
          pageOfRows(rows, (token) => `${token.createdAt} ${token.id}`, limit),
          200,
        );
      },
    )
    .openapi(
      guardedRoute(gate, "tokens:read", {
        method: "get",
        path: "/api/v1/tokens/{name}",
        summary: "One token, without its secret",
        request: named,
        responses: json(tokenView, "The token"),
      }),
      async (context) => context.json(await tokens.find(context.req.valid("param").name), 200),
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
        { ...audited, once: true },
      ),
      async (context) => {
        const { actor } = context.var;
        limits.take("tokens", actor.principal.name);
        const wanted = context.req.valid("json");
        // Whoever could give a token more than they have would have it themselves.
        if (wanted.kind !== "join") requireAdmin(context, "only an administrator makes login and api tokens");
        if (wanted.roles.length > 0) await gate.require(actor, "roles:bind", { name: "token" });
        const subject = wanted.kind === "login" ? wanted.user : undefined;
        if (wanted.kind === "login" && subject === undefined) {
          throw new AppError("invalid", "'user' is missing: a login token is for one user", {
            hint: "--user NAME",
          });
        }
        const { text, view } = await store.transaction(async (tx) => {
          if (subject !== undefined) await directory.knownUser(tx, subject);
          const token = await tokens.mint(tx, actor, {
            kind: wanted.kind,
            description: wanted.description,
            scope: wanted.scope,
            lifetime: wanted.lifetime,
            ...(subject !== undefined && { subject }),
            ...(wanted.kind === "login" ? { uses: 1 } : wanted.uses !== undefined && { uses: wanted.uses }),
          });
          await directory.bind(tx, actor, { kind: "token", name: token.view.id }, wanted.roles);
          return token;
        });
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
    );
}

export type AccessRoutes = ReturnType<typeof createAccessRoutes>;

function requireAdmin(context: { var: ApiEnv["Variables"] }, message: string): void {
  if (mayLetInAsAnybody(context.var.actor.principal.roles)) return;
  throw new AppError("forbidden", message);
}
