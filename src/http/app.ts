import { Hono } from "hono";
import { AppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import { problemResponse } from "./problem.ts";

/** What the listener tells a handler about a request, as `c.env`. */
export interface RequestOrigin {
  /** The other end's address; empty on the Unix socket. */
  clientIp: string;
  /** How the other end reaches us: `http://10.0.0.1:8080`. */
  baseUrl: string;
  /** Lifts the time-out of a request that legitimately takes long: a stream, a large download. */
  untimed(): void;
}

export type AppEnv = { Bindings: RequestOrigin };
export type Routes = Hono<AppEnv>;

/** An application made of each room's routes; whatever they throw leaves as a problem response. */
export function createApp(routes: readonly Routes[], logger: Logger): Routes {
  const app: Routes = new Hono<AppEnv>();
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
