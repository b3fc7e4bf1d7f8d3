import { z } from "@hono/zod-openapi";
import { createApi, openRoute } from "../http/gate.ts";
import { pageFrom, pageOf, pageQuery, timeKey } from "../http/page.ts";
import type { RateLimits } from "../http/rate-limits.ts";
import { body, json, named, nothing } from "../http/route-parts.ts";
import { AppError } from "../platform/errors.ts";
import {
  deviceApproval,
  deviceLogin,
  deviceLoginRequest,
  devicePoll,
  devicePolled,
  deviceRequest,
  sessionLink,
  sessionView,
} from "./api.ts";
import type { DeviceLogins } from "./device-login-service.ts";
import { decideAccess } from "./permissions.ts";
import type { Actor } from "./principal.ts";
import type { Sessions } from "./session-service.ts";

export interface SessionRoutesDeps {
  sessions: Sessions;
  logins: DeviceLogins;
  limits: RateLimits;
  /** Where this host's own users find the pages: `https://localhost:8443`. */
  address: () => string;
}

const second = 1000;

/** The pages' sessions, and command lines that wait to be let in. */
export function createSessionRoutes({ sessions, logins, limits, address }: SessionRoutesDeps) {
  return createApi()
    .openapi(
      openRoute("opens a session of the asker's own, who has proved to be a user", {
        method: "post",
        path: "/api/v1/sessions",
        summary: "A one-time link to the pages",
        responses: json(sessionLink, "The link: it works once, for two minutes"),
      }),
      async (context) => {
        const { actor } = context.var;
        limits.take("tokens", actor.principal.name);
        const { secret, until } = await sessions.offer(actor);
        const own = context.env.peer?.kind === "local" ? address() : context.env.baseUrl;
        return context.json({ address: own, path: `/open/${secret}`, until }, 200);
      },
    )
    .openapi(
      openRoute("shows the asker's own; everybody's to who may sessions:read", {
        method: "get",
        path: "/api/v1/sessions",
        summary: "Sessions of the pages",
        request: { query: pageQuery },
        responses: json(pageOf(sessionView), "Sessions, newest first"),
      }),
      async (context) => {
        const visible = await visibleSessions(sessions, context.var.actor);
        const key = ({ createdAt, id }: (typeof visible)[number]) => `${timeKey(createdAt)} ${id}`;
        const newestFirst = visible.sort((a, b) => (key(a) < key(b) ? 1 : -1));
        return context.json(pageFrom(newestFirst, key, context.req.valid("query"), "descending"), 200);
      },
    )
    .openapi(
      openRoute("ends the asker's own; anybody's for who may sessions:end", {
        method: "delete",
        path: "/api/v1/sessions/{name}",
        summary: "Ends a session, at once",
        request: named,
        responses: nothing,
      }),
      async (context) => {
        await endSession(sessions, context.var.actor, context.req.valid("param").name);
        return context.body(null, 204);
      },
    )
    .openapi(
      openRoute("gives nothing until a user lets it in; bounded by address", {
        method: "post",
        path: "/api/v1/login/device",
        summary: "A command line asks to be let in (RFC 8628)",
        request: body(deviceLoginRequest),
        responses: json(deviceLogin, "Its codes: one to show, one to keep"),
      }),
      async (context) => {
        limits.take("tokens", context.env.clientIp);
        const { csr, host } = context.req.valid("json");
        const begun = await logins.begin(csr, host, context.env.clientIp);
        return context.json(
          {
            device_code: begun.deviceCode,
            user_code: begun.userCode,
            verification_uri: `${context.env.baseUrl}/ui/device`,
            expires_in: begun.expiresIn / second,
            interval: begun.interval / second,
          },
          200,
        );
      },
    )
    .openapi(
      openRoute("needs the device code, which its own command line alone knows", {
        method: "post",
        path: "/api/v1/login/device/poll",
        summary: "What has become of it",
        request: body(devicePoll),
        responses: json(devicePolled, "Waiting, refused, too late, or the certificate"),
      }),
      async (context) => {
        const polled = await logins.poll(context.var.actor, context.req.valid("json").device_code);
        return context.json(
          "interval" in polled ? { ...polled, interval: polled.interval / second } : polled,
          200,
        );
      },
    )
    .openapi(
      openRoute("a user lets in its own command line; others who may users:create and roles:bind", {
        method: "get",
        path: "/api/v1/login/device/{name}",
        summary: "Who waits under a code",
        request: named,
        responses: json(deviceRequest, "Its host and address"),
      }),
      async (context) => {
        takeGuess(limits, context.var.actor);
        return context.json(await logins.find(context.req.valid("param").name), 200);
      },
    )
    .openapi(
      openRoute("a user lets in its own command line; others who may users:create and roles:bind", {
        method: "post",
        path: "/api/v1/login/device/{name}/approve",
        summary: "Lets it in",
        request: { ...named, ...body(deviceApproval) },
        responses: json(z.object({ name: z.string() }), "The user it is now"),
      }),
      async (context) => {
        takeGuess(limits, context.var.actor);
        const { user } = context.req.valid("json");
        const name = await logins.grant(context.var.actor, context.req.valid("param").name, user);
        return context.json({ name }, 200);
      },
    )
    .openapi(
      openRoute("needs an identity, and the code", {
        method: "post",
        path: "/api/v1/login/device/{name}/deny",
        summary: "Turns it away",
        request: named,
        responses: nothing,
      }),
      async (context) => {
        takeGuess(limits, context.var.actor);
        await logins.deny(context.var.actor, context.req.valid("param").name);
        return context.body(null, 204);
      },
    );
}

export type SessionRoutes = ReturnType<typeof createSessionRoutes>;

/** Codes are short: nobody gets to try many. @throws `unauthenticated`, `too-many`. */
export function takeGuess(limits: RateLimits, { principal }: Actor): void {
  if (principal.kind === "anonymous") {
    throw new AppError("unauthenticated", "say who you are first", { hint: "labctl login SERVER --token …" });
  }
  limits.take("tokens", principal.name);
}

/** @throws `unauthenticated`. */
export function visibleSessions(sessions: Sessions, { principal }: Actor) {
  if (principal.kind === "anonymous") throw new AppError("unauthenticated", "say who you are first");
  const all = decideAccess(principal.roles, "sessions:read").allowed;
  return sessions.list(all ? undefined : principal.name);
}

/** @throws `not-found` also for one that the asker may not know of. */
export async function endSession(sessions: Sessions, actor: Actor, id: string): Promise<void> {
  const { principal } = actor;
  const own = (await visibleSessions(sessions, actor)).some(
    (each) => each.id === id && each.subject === principal.name,
  );
  if (!own && !decideAccess(principal.roles, "sessions:end").allowed) {
    throw new AppError("not-found", `there is no session ${id.slice(0, 80)} of yours`, {
      hint: "labctl auth sessions",
    });
  }
  await sessions.end(actor, id);
}
