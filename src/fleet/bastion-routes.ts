import { z } from "@hono/zod-openapi";
import { certified } from "../access/api.ts";
import { createApi, type Gate, guardedRoute, openRoute } from "../http/gate.ts";
import { pageFrom, pageQuery } from "../http/page.ts";
import type { RateLimits } from "../http/rate-limits.ts";
import { body, json, named, nothing } from "../http/route-parts.ts";
import { AppError } from "../platform/errors.ts";
import { bastionEnrolment, bastionList, bastionView } from "./api.ts";
import type { Bastions } from "./bastion-service.ts";

/** Bastions elsewhere: their list, how they join and leave. */
export function createBastionRoutes(gate: Gate, bastions: Bastions, limits: RateLimits) {
  const resource = (context: { req: { param(name: string): string | undefined } }) => ({
    name: `bastion/${context.req.param("name") ?? ""}`,
  });
  const audited = { resource, audited: true };
  return createApi()
    .openapi(
      openRoute("needs a join token for a bastion; bounded by address", {
        method: "post",
        path: "/api/v1/bastions/enrol",
        summary: "A bastion's certificate for a join token",
        request: body(bastionEnrolment),
        responses: json(certified, "The certificate"),
      }),
      async (context) => {
        limits.take("enrol", context.env.clientIp);
        const request = { ...context.req.valid("json"), address: context.env.clientIp };
        return context.json(await bastions.enrol(context.var.actor, request), 200);
      },
    )
    .openapi(
      guardedRoute(gate, "bastions:read", {
        method: "get",
        path: "/api/v1/bastions",
        summary: "Enrolled bastions",
        request: { query: pageQuery },
        responses: json(bastionList, "Bastions"),
      }),
      (context) => {
        const rows = bastions.list().map(({ outbox: _, ...row }) => row);
        return context.json(
          pageFrom(rows, ({ name }) => name, context.req.valid("query")),
          200,
        );
      },
    )
    .openapi(
      guardedRoute(gate, "bastions:read", {
        method: "get",
        path: "/api/v1/bastions/{name}",
        summary: "One bastion",
        request: named,
        responses: json(bastionView, "The bastion"),
      }),
      (context) => {
        const { name } = context.req.valid("param");
        const bastion = bastions.list().find((each) => each.name === name);
        if (bastion !== undefined) return context.json(bastionView.parse(bastion), 200);
        throw new AppError("not-found", `there is no bastion '${name}'`, { hint: "labctl get bastions" });
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "bastions:revoke",
        {
          method: "post",
          path: "/api/v1/bastions/{name}/revoke",
          summary: "Takes a bastion's certificates back and cuts its connection",
          request: {
            ...named,
            ...body(z.strictObject({ because: z.string().max(200).default("revoked") })),
          },
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        const { because } = context.req.valid("json");
        await bastions.takeBack(context.var.actor, context.req.valid("param").name, because, false);
        return context.body(null, 204);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "bastions:delete",
        {
          method: "delete",
          path: "/api/v1/bastions/{name}",
          summary: "Revokes a bastion and forgets what it told",
          request: named,
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        const because = "the bastion was removed";
        await bastions.takeBack(context.var.actor, context.req.valid("param").name, because, true);
        return context.body(null, 204);
      },
    );
}

export type BastionRoutes = ReturnType<typeof createBastionRoutes>;
