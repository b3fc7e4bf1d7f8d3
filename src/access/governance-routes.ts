import { z } from "@hono/zod-openapi";
import { etagOf, preconditionOf } from "../http/conditional.ts";
import { createApi, type Gate, guardedRoute, openRoute } from "../http/gate.ts";
import { pageFrom, pageOf, pageQuery, timeKey } from "../http/page.ts";
import { body, json, named, nothing } from "../http/route-parts.ts";
import { AppError } from "../platform/errors.ts";
import type { Store } from "../store/database.ts";
import { authorityView, binding, newRole, newUser, roleView, userView } from "./api.ts";
import type { Authority } from "./authority.ts";
import type { Directory } from "./directory.ts";
import type { RootRotation } from "./root-rotation.ts";
import type { Sessions } from "./session-service.ts";
import type { TokenService } from "./token-service.ts";

export interface GovernanceRoutesDeps {
  gate: Gate;
  store: Store;
  authority: Authority;
  rotation: RootRotation;
  directory: Directory;
  tokens: TokenService;
  sessions: Sessions;
}

const byName = ({ name }: { name: string }) => name;

/** Users, groups and roles, and the certificate authority. */
export function createGovernanceRoutes({
  gate,
  store,
  authority,
  rotation,
  directory,
  tokens,
  sessions,
}: GovernanceRoutesDeps) {
  const audited = { audited: true };
  return createApi()
    .openapi(
      guardedRoute(gate, "users:read", {
        method: "get",
        path: "/api/v1/users",
        summary: "Users",
        request: { query: pageQuery },
        responses: json(pageOf(userView), "Users"),
      }),
      async (context) =>
        context.json(pageFrom(await directory.users(), byName, context.req.valid("query")), 200),
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
        { ...audited, once: true },
      ),
      async (context) => {
        const { name, roles } = context.req.valid("json");
        if (roles.length > 0) await gate.require(context.var.actor, "roles:bind", { name: `user/${name}` });
        await directory.createUser(context.var.actor, name, roles);
        return context.body(null, 204);
      },
    )
    .openapi(
      guardedRoute(gate, "users:read", {
        method: "get",
        path: "/api/v1/users/{name}",
        summary: "One user with its groups and roles",
        request: named,
        responses: json(userView, "The user"),
      }),
      async (context) => {
        const { name } = context.req.valid("param");
        return context.json(found(await directory.users(), name, "user"), 200);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "users:delete",
        {
          method: "delete",
          path: "/api/v1/users/{name}",
          summary: "Removes a user, revokes its certificates and login tokens, ends its sessions",
          request: named,
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        const { name } = context.req.valid("param");
        await store.transaction(async (tx) => {
          await directory.deleteUser(tx, context.var.actor, name);
          await authority.revoke(tx, "user", name, "the user was removed");
          await tokens.revokeAll(tx, name);
          await sessions.endAll(tx, `user/${name}`);
        });
        return context.body(null, 204);
      },
    )
    .openapi(
      guardedRoute(gate, "roles:read", {
        method: "get",
        path: "/api/v1/roles",
        summary: "Roles and what they grant",
        request: { query: pageQuery },
        responses: json(pageOf(roleView), "Roles"),
      }),
      async (context) => {
        const { items, next } = pageFrom(await directory.roles(), byName, context.req.valid("query"));
        return context.json({ items: items.map((role) => roleView.parse(role)), next }, 200);
      },
    )
    .openapi(
      guardedRoute(gate, "roles:read", {
        method: "get",
        path: "/api/v1/roles/{name}",
        summary: "One role, with the ETag that a change of it is held against",
        request: named,
        responses: json(roleView, "The role"),
      }),
      async (context) => {
        const { name } = context.req.valid("param");
        const role = found(await directory.roles(), name, "role");
        return context.json(roleView.parse(role), 200, { etag: etagOf(role) });
      },
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
        await directory.setRole(context.var.actor, context.req.valid("json"), preconditionOf(context));
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
        request: { query: pageQuery },
        responses: json(pageOf(authorityView), "Roots"),
      }),
      async (context) =>
        context.json(
          pageFrom(await rotation.show(), ({ id }) => timeKey(id), context.req.valid("query")),
          200,
        ),
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
        { ...audited, once: true },
      ),
      async (context) => {
        await rotation.rotate(context.var.actor);
        return context.body(null, 204);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "ca:retire",
        {
          method: "post",
          path: "/api/v1/ca/retire",
          summary: "Ends the trust in an old root",
          request: body(z.strictObject({ id: z.int().optional(), force: z.boolean().default(false) })),
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        const { id, force } = context.req.valid("json");
        await rotation.retire(context.var.actor, id, force);
        return context.body(null, 204);
      },
    );
}

export type GovernanceRoutes = ReturnType<typeof createGovernanceRoutes>;

function found<Row extends { name: string }>(rows: readonly Row[], name: string, kind: string): Row {
  const row = rows.find((each) => each.name === name);
  if (row) return row;
  throw new AppError("not-found", `there is no ${kind} '${name}'`, { hint: `labctl get ${kind}s` });
}
