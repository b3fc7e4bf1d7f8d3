import { z } from "@hono/zod-openapi";
import { createApi, openRoute } from "../http/gate.ts";
import { json } from "../http/route-parts.ts";
import { whoami } from "./api.ts";
import { decideAccess } from "./permissions.ts";

/** Who you are, and what you may. */
export function createIdentityRoutes() {
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
    );
}

export type IdentityRoutes = ReturnType<typeof createIdentityRoutes>;
