import { createRoute, OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { getCookie } from "hono/cookie";

import {
  type Actor,
  type AuditLog,
  anonymous,
  decideAccess,
  type Identify,
  type Labels,
  mayForSome,
  type Permission,
  type Proof,
  type Sessions,
} from "../access/service.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import type { Store } from "../store/database.ts";
import type { ApiEnv } from "./app.ts";
import { conditionalGet } from "./conditional.ts";
import { createOnce, replayedHeader } from "./idempotency.ts";
import type { RateLimits } from "./rate-limits.ts";
import { isForeign } from "./same-origin.ts";
import { untilEnded } from "./session-stream.ts";

export type { ApiEnv } from "./app.ts";

/** What a request acts on, for the audit and for rights that hold for certain labels only. */
export interface Resource {
  name: string;
  labels?: Labels;
}

export interface Gate {
  /** First in line: bounds the rate, finds out who asks. */
  readonly identify: MiddlewareHandler<ApiEnv>;
  /** Lets through who may; `list`: who may for some of what the handler will filter. Refusals are in the audit. */
  need(permission: Permission, options?: NeedOptions): MiddlewareHandler<ApiEnv>;
  /** Does a request with an Idempotency-Key once; `empty`: its route answers nothing. */
  once(empty: boolean): MiddlewareHandler<ApiEnv>;
  /** As `need`, of what only the handler knows: something the request's body names. @throws `forbidden`. */
  require(actor: Actor, permission: Permission, on: Resource): Promise<void>;
}

export interface NeedOptions {
  resource?: (context: Context<ApiEnv>) => Resource;
  list?: boolean;
  /** The handler's own transaction tells the audit; otherwise it is told here, afterwards. */
  audited?: boolean;
  /** Asked for every few seconds by a program: only a refusal is worth a record. */
  quiet?: boolean;
  /** It makes something: an Idempotency-Key keeps a repeated request from making it again. */
  once?: boolean;
}

/** The prefix makes browsers keep it to this host, over TLS alone (RFC 6265bis, section 4.1.3.2). */
export const sessionCookie = "__Host-labctl_session";

export interface GateDeps {
  store: Store;
  identify: Identify;
  audit: AuditLog;
  clock: Clock;
  limits: RateLimits;
  /** Streams that a page's session opened end with it; absent where there are no pages. */
  sessions?: Pick<Sessions, "watch">;
  /** The fingerprint of the root that signs now; absent where there is none. */
  signingRoot?(): string;
  newId: () => string;
}

/** Requests that hand over a file, piece by piece. */
const uploadPath = /^\/api\/v1\/images\/uploads\/./;

export function createGate({
  store,
  identify,
  audit,
  clock,
  limits,
  sessions,
  signingRoot,
  newId,
}: GateDeps): Gate {
  async function refuse(actor: Actor, permission: Permission, on: Resource, because: string): Promise<never> {
    await audit.record(actor, { action: permission, resource: on.name, result: "refused", detail: because });
    throw actor.principal.kind === "anonymous"
      ? new AppError("unauthenticated", "say who you are first", { hint: "labctl login SERVER" })
      : new AppError("forbidden", `${actor.principal.name} may not ${permission} on ${on.name}: ${because}`, {
          hint: `labctl auth can-i ${permission} shows what you may`,
        });
  }

  return {
    identify: async (context, next) => {
      const startedAt = clock.now();
      const from = context.env.clientIp;
      refuseForeign(context);
      const requestId = newId();
      const principal = await identify(proofOf(context)).catch(async (error: unknown) => {
        // Bounded first: nobody writes the audit full with proofs that do not hold.
        limits.take("failed", from);
        await audit.record(
          { principal: anonymous, from, requestId, startedAt },
          {
            action: "access:identify",
            resource: context.req.path,
            result: "refused",
            detail: toAppError(error).message,
          },
        );
        throw error;
      });
      // This host's administrators come by no network, and could do worse than ask often.
      if (context.env.peer?.kind !== "local") {
        const who = principal.kind === "anonymous" ? from : principal.name;
        limits.take(uploadPath.test(context.req.path) ? "uploads" : "general", who);
      }
      context.set("actor", { principal, from, requestId, startedAt });
      await next();
      context.header("request-id", requestId);
      if (sessions && principal.session?.startsWith("web/") && isStream(context.res)) {
        context.res = untilEnded(context.res, sessions, principal.session.slice("web/".length));
      }
      // Whoever does not know this root yet fetches it while the old one is trusted still.
      if (signingRoot && principal.kind === "user") context.header("labctl-authority", signingRoot());
    },
    need(permission, { resource, list = false, audited = false, quiet = false } = {}) {
      return async (context, next) => {
        const actor = context.var.actor;
        const { roles } = actor.principal;
        const on = resource?.(context) ?? { name: context.req.path };
        const decision = decideAccess(roles, permission, on.labels);
        if (!(decision.allowed || (list && mayForSome(roles, permission))))
          await refuse(actor, permission, on, decision.because);
        await next();
        // Who looks again and again, and has what there is already, was shown nothing.
        await conditionalGet(context, async () => {});
        if (context.res.status === 304) return;
        const replayed = context.res.headers.has(replayedHeader);
        if ((audited || quiet) && context.res.ok && !replayed) return;
        const result = context.res.ok ? "allowed" : "failed";
        const detail = replayed ? { detail: "answered again, not done again" } : {};
        await audit.record(actor, { action: permission, resource: on.name, result, ...detail });
      };
    },
    once: createOnce({ store, audit, clock }),
    async require(actor, permission, on) {
      const decision = decideAccess(actor.principal.roles, permission, on.labels);
      if (!decision.allowed) await refuse(actor, permission, on, decision.because);
    },
  };
}

function proofOf(context: Context<ApiEnv>): Proof {
  const { peer } = context.env;
  const header = context.req.header("authorization");
  const cookie = getCookie(context, sessionCookie);
  return {
    ...(peer?.kind === "certificate" && { certificate: peer.fingerprint }),
    ...(peer?.kind === "network" && peer.refused !== undefined && { refused: peer.refused }),
    ...(peer?.kind === "local" && { localUser: peer.user }),
    ...(header?.startsWith("Bearer ") && { bearer: header.slice(7) }),
    ...(cookie !== undefined && {
      cookie: { secret: cookie, attended: context.req.header("sec-fetch-mode") === "navigate" },
    }),
  };
}

/** A browser adds cookies and certificates to what any page makes it ask: a change has to come from our own. */
function refuseForeign(context: Context<ApiEnv>): void {
  const foreign = isForeign({
    method: context.req.method,
    host: context.req.header("host"),
    site: context.req.header("sec-fetch-site"),
    origin: context.req.header("origin"),
    ambient: getCookie(context, sessionCookie) !== undefined,
  });
  if (!foreign) return;
  throw new AppError("forbidden", "this change was asked for by another site's page", {
    hint: "do it on labctl's own pages, or with its command line",
  });
}

const isStream = (response: Response) =>
  response.headers.get("content-type")?.startsWith("text/event-stream") === true;

/** A route with the permission it needs, in one place: what the gate checks is what the documents say. */
export function guardedRoute<const Route extends Omit<RouteConfig, "middleware">>(
  gate: Gate,
  permission: Permission,
  route: Route,
  options: NeedOptions = {},
) {
  const once = options.once === true ? [gate.once(204 in route.responses)] : [];
  return createRoute({
    ...route,
    "x-permission": permission,
    ...(options.once === true && { "x-once": true }),
    middleware: [gate.need(permission, options), ...once],
  });
}

/** A route anybody may call, who can reach it; `why` says what protects it instead. */
export function openRoute<const Route extends RouteConfig>(why: string, route: Route) {
  return createRoute({ ...route, "x-permission": "public", "x-public-because": why });
}

/** An API whose requests are checked by the schemas of its routes; what does not fit is an error like any other. */
export function createApi(): OpenAPIHono<ApiEnv> {
  return new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (result.success) return;
      const issue = result.error.issues[0];
      const field = issue?.path.join(".");
      throw new AppError(
        "invalid",
        `${field ? `'${field}' ` : ""}${issue?.message ?? "the request is not valid"}`,
      );
    },
  });
}
