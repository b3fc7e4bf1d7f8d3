import { Hono, type MiddlewareHandler } from "hono";
import { getPath } from "hono/utils/url";
import type { Actor } from "../access/service.ts";
import { AppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import { problemResponse } from "./problem.ts";

/** Who is at the other end, as far as the connection itself proves it. */
export type PeerIdentity =
  /** `refused`: why a certificate that was shown proves nothing, where its holder can mend it. */
  | { kind: "network"; address: string; refused?: string }
  /** A client certificate of a trusted authority; SHA-256 of its DER, lower-case hexadecimal. */
  | { kind: "certificate"; address: string; fingerprint: string }
  /** A user of this host, on the Unix socket. */
  | { kind: "local"; uid: number; user: string };

/** What the listener tells a handler about a request, as `c.env`. */
export interface RequestOrigin {
  /** The other end's address; empty on the Unix socket. */
  clientIp: string;
  /** How the other end reaches us: `http://10.0.0.1:8080`. */
  baseUrl: string;
  /** Lifts the time-out of a request that legitimately takes long: a stream, a large download. */
  untimed(): void;
  /** Absent on the lab network, where nobody is believed. */
  peer?: PeerIdentity;
}

export type AppEnv = { Bindings: RequestOrigin };
/** Behind the gate, who asks is known. */
export type ApiEnv = AppEnv & { Variables: { actor: Actor } };
export type Routes = Hono<AppEnv>;

/** An application made of each room's routes; whatever they throw leaves as a problem response. */
export function createApp(
  routes: readonly Routes[],
  logger: Logger,
  middleware: readonly MiddlewareHandler[] = [],
): Routes {
  const app: Routes = new Hono<AppEnv>({ getPath: pathOf });
  for (const each of middleware) app.use(each);
  for (const room of routes) app.route("/", room);
  app.notFound((context) =>
    problemResponse(
      new AppError("not-found", `there is nothing at ${context.req.path.slice(0, 200)}`),
      context,
      logger,
    ),
  );
  app.onError((error, context) => problemResponse(error, context, logger));
  return app;
}

/** A request that names no host (HTTP/1.0 as U-Boot speaks it), or none that is one, has a URL that is a path alone. */
const pathOf = (request: Request) =>
  getPath(request.url.startsWith("/") ? new Request(`http://lab${request.url}`) : request);
