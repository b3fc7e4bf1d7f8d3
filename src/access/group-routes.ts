import { z } from "@hono/zod-openapi";
import { etagOf, preconditionOf } from "../http/conditional.ts";
import { createApi, type Gate, guardedRoute } from "../http/gate.ts";
import { pageFrom, pageOf, pageQuery } from "../http/page.ts";
import { body, json, nothing } from "../http/route-parts.ts";
import { AppError } from "../platform/errors.ts";
import { groupMembers, groupView } from "./api.ts";
import { type Directory, subjectName } from "./directory.ts";

const one = { params: z.object({ name: subjectName }) };

/** Groups: users that hold roles together. */
export function createGroupRoutes(gate: Gate, directory: Directory) {
  return createApi()
    .openapi(
      guardedRoute(gate, "groups:read", {
        method: "get",
        path: "/api/v1/groups",
        summary: "Groups and who is in them",
        request: { query: pageQuery },
        responses: json(pageOf(groupView), "Groups"),
      }),
      async (context) =>
        context.json(
          pageFrom(await directory.groups(), ({ name }) => name, context.req.valid("query")),
          200,
        ),
    )
    .openapi(
      guardedRoute(gate, "groups:read", {
        method: "get",
        path: "/api/v1/groups/{name}",
        summary: "One group, with the ETag that a change of it is held against",
        request: one,
        responses: json(groupView, "The group"),
      }),
      async (context) => {
        const { name } = context.req.valid("param");
        const group = (await directory.groups()).find((each) => each.name === name);
        if (group === undefined) {
          throw new AppError("not-found", `there is no group '${name}'`, { hint: "labctl get groups" });
        }
        return context.json(group, 200, { etag: etagOf(group) });
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "groups:update",
        {
          method: "put",
          path: "/api/v1/groups/{name}",
          summary: "Makes these users its members; a group without any is none",
          request: { ...one, ...body(groupMembers) },
          responses: nothing,
        },
        { audited: true },
      ),
      async (context) => {
        const { name } = context.req.valid("param");
        const { members } = context.req.valid("json");
        await directory.setGroup(context.var.actor, { name, members }, preconditionOf(context));
        return context.body(null, 204);
      },
    );
}

export type GroupRoutes = ReturnType<typeof createGroupRoutes>;
