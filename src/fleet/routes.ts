import { z } from "@hono/zod-openapi";
import { certified } from "../access/api.ts";
import { decideAccess } from "../access/service.ts";
import { createApi, type Gate, guardedRoute, openRoute } from "../http/gate.ts";
import type { RateLimits } from "../http/rate-limits.ts";
import { enrolRequest, labelChange, serverView } from "./api.ts";
import { parseSelector, selects } from "./selector.ts";
import type { Fleet } from "./service.ts";

const json = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  200: { description, content: { "application/json": { schema } } },
});
const nothing = { 204: { description: "done" } } as const;
const named = { params: z.object({ name: z.string().max(64) }) };

/** Hosts: their list, their labels, how they join and leave. */
export function createFleetRoutes(gate: Gate, fleet: Fleet, limits: RateLimits) {
  /** Rights may hold for hosts of certain labels only: the gate has to know them. */
  const resource = (context: { req: { param(name: string): string | undefined } }) => {
    const name = context.req.param("name") ?? "";
    const labels = fleet.list().find((server) => server.name === name)?.labels;
    return { name: `server/${name}`, ...(labels && { labels }) };
  };
  const one = { resource };
  const audited = { resource, audited: true };

  return createApi()
    .openapi(
      openRoute("needs a join token; bounded by address", {
        method: "post",
        path: "/api/v1/enrol",
        summary: "A host's certificate for a join token",
        request: { body: { required: true, content: { "application/json": { schema: enrolRequest } } } },
        responses: json(certified, "The certificate"),
      }),
      async (context) => {
        limits.take("enrol", context.env.clientIp);
        const request = { ...context.req.valid("json"), address: context.env.clientIp };
        return context.json(await fleet.enrol(context.var.actor, request), 200);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "servers:read",
        {
          method: "get",
          path: "/api/v1/servers",
          summary: "Enrolled hosts",
          request: { query: z.object({ selector: z.string().max(1000).default("") }) },
          responses: json(z.object({ items: z.array(serverView) }), "Hosts you may see"),
        },
        { list: true },
      ),
      (context) => {
        const selector = parseSelector(context.req.valid("query").selector);
        const { roles } = context.var.actor.principal;
        const items = fleet
          .list()
          .filter(
            ({ labels }) => selects(selector, labels) && decideAccess(roles, "servers:read", labels).allowed,
          )
          // The whole inventory of every host is more than a list is asked for.
          .map(({ facts: _, ...server }) => server);
        return context.json({ items }, 200);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "servers:read",
        {
          method: "get",
          path: "/api/v1/servers/{name}",
          summary: "One host with its facts",
          request: named,
          responses: json(serverView, "The host"),
        },
        one,
      ),
      (context) => context.json(fleet.find(context.req.valid("param").name), 200),
    )
    .openapi(
      guardedRoute(
        gate,
        "servers:label",
        {
          method: "patch",
          path: "/api/v1/servers/{name}/labels",
          summary: "Sets and removes labels",
          request: {
            ...named,
            body: { required: true, content: { "application/json": { schema: labelChange } } },
          },
          responses: json(serverView, "The host"),
        },
        audited,
      ),
      async (context) => {
        const { labels } = context.req.valid("json");
        const change = Object.fromEntries(
          Object.entries(labels).map(([key, value]) => [key, value ?? undefined]),
        );
        return context.json(
          await fleet.setLabels(context.var.actor, context.req.valid("param").name, change),
          200,
        );
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "agents:revoke",
        {
          method: "post",
          path: "/api/v1/servers/{name}/revoke",
          summary: "Takes a host's certificates back and cuts its connection",
          request: {
            ...named,
            body: {
              required: true,
              content: {
                "application/json": {
                  schema: z.strictObject({ because: z.string().max(200).default("revoked") }),
                },
              },
            },
          },
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        await fleet.revoke(
          context.var.actor,
          context.req.valid("param").name,
          context.req.valid("json").because,
        );
        return context.body(null, 204);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "servers:delete",
        {
          method: "delete",
          path: "/api/v1/servers/{name}",
          summary: "Revokes and forgets a host",
          request: named,
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        await fleet.remove(context.var.actor, context.req.valid("param").name);
        return context.body(null, 204);
      },
    );
}
