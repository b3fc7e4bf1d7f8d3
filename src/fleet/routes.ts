import { z } from "@hono/zod-openapi";
import { certified } from "../access/api.ts";
import { type Actor, decideAccess, type Permission, parseSelector, selects } from "../access/service.ts";
import { etagOf, preconditionOf } from "../http/conditional.ts";
import { createApi, type Gate, guardedRoute, openRoute } from "../http/gate.ts";
import { type Page, pageFrom, pageOf, pageQuery } from "../http/page.ts";
import type { RateLimits } from "../http/rate-limits.ts";
import { json, named, nothing } from "../http/route-parts.ts";
import {
  agentView,
  enrolRequest,
  labelChange,
  moveRequest,
  serverDetail,
  serverLabels,
  serverView,
} from "./api.ts";
import type { Fleet, Server } from "./service.ts";

const selectQuery = pageQuery.extend({ selector: z.string().max(1000).default("") });

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

  function visible(actor: Actor, permission: Permission, query: z.output<typeof selectQuery>): Page<Server> {
    const { selector: text, ...wanted } = query;
    const selector = parseSelector(text);
    const { roles } = actor.principal;
    const servers = fleet
      .list()
      .filter(({ labels }) => selects(selector, labels) && decideAccess(roles, permission, labels).allowed);
    return pageFrom(servers, (server) => server.name, wanted);
  }

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
          request: { query: selectQuery },
          responses: json(pageOf(serverView), "Hosts you may see"),
        },
        { list: true },
      ),
      (context) => {
        const { items, next } = visible(context.var.actor, "servers:read", context.req.valid("query"));
        // The whole inventory of every host is more than a list is asked for.
        return context.json({ items: items.map(({ facts: _, health: __, ...server }) => server), next }, 200);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "agents:read",
        {
          method: "get",
          path: "/api/v1/agents",
          summary: "The daemons on enrolled hosts",
          request: { query: selectQuery },
          responses: json(pageOf(agentView), "Agents you may see"),
        },
        { list: true },
      ),
      (context) => {
        const { items, next } = visible(context.var.actor, "agents:read", context.req.valid("query"));
        return context.json({ items: items.map((server) => agentView.parse(server)), next }, 200);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "agents:read",
        {
          method: "get",
          path: "/api/v1/agents/{name}",
          summary: "One host's daemon",
          request: named,
          responses: json(agentView, "The agent"),
        },
        one,
      ),
      (context) => context.json(agentView.parse(fleet.find(context.req.valid("param").name)), 200),
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
          responses: json(serverDetail, "The host"),
        },
        one,
      ),
      async (context) => {
        const { name } = context.req.valid("param");
        return context.json({ ...fleet.find(name), history: await fleet.history(name) }, 200);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "servers:read",
        {
          method: "get",
          path: "/api/v1/servers/{name}/labels",
          summary: "A host's labels, with the ETag that a change of them is held against",
          request: named,
          responses: json(serverLabels, "The labels"),
        },
        one,
      ),
      (context) => {
        const { labels } = fleet.find(context.req.valid("param").name);
        return context.json({ labels }, 200, { etag: etagOf({ labels }) });
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "servers:label",
        {
          method: "patch",
          path: "/api/v1/servers/{name}/labels",
          summary: "Sets and removes labels; the others stay",
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
          await fleet.setLabels(
            context.var.actor,
            context.req.valid("param").name,
            change,
            preconditionOf(context),
          ),
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
        "agents:move",
        {
          method: "post",
          path: "/api/v1/servers/{name}/move",
          summary: "Sends a host's agent to another address of labd",
          request: {
            ...named,
            body: { required: true, content: { "application/json": { schema: moveRequest } } },
          },
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        const { to } = context.req.valid("json");
        await fleet.move(context.var.actor, context.req.valid("param").name, to);
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

export type FleetRoutes = ReturnType<typeof createFleetRoutes>;
