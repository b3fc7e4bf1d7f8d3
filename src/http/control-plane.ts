import type { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { AppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import type { Routes } from "./app.ts";
import { conditionalGet } from "./conditional.ts";
import { type ApiEnv, createApi, type Gate } from "./gate.ts";
import { completeDocument, openApiHead } from "./openapi.ts";
import { openApiPageHeaders, renderOpenApiPage } from "./openapi-page.ts";
import { problemResponse } from "./problem.ts";

const maxBody = 2 << 20;

/** The routes of rooms, each behind the gate. */
export type Rooms = readonly OpenAPIHono<ApiEnv>[];

/** The API of a control plane or a bastion: every route behind the gate, described by the schemas that check it. */
export function createControlPlane(
  gate: Gate,
  rooms: Rooms,
  logger: Logger,
  countRequests: MiddlewareHandler,
): Routes {
  const api = createApi();
  api.use(countRequests);
  for (const path of ["/api/*", "/health/detailed", "/metrics"]) api.use(path, gate.identify);
  const limitBody = bodyLimit({
    maxSize: maxBody,
    onError: () => {
      throw new AppError("too-large", `a request may hold ${maxBody} bytes at the most`);
    },
  });
  // Nobody reads the body of a GET, and to look for one makes a second request object that lives as long as a stream.
  api.use((context, next) => (context.req.method === "GET" ? next() : limitBody(context, next)));
  api.use("/api/*", conditionalGet);
  for (const room of rooms) api.route("/", room);
  // Made when somebody asks, and once: not at every start.
  const describe = lazily(() => completeDocument(api.getOpenAPI31Document(openApiHead)));
  const page = lazily(() => renderOpenApiPage(describe()));
  api.get("/api/v1/openapi.json", (context) => context.json(describe()));
  api.get("/api/v1/docs", (context) => context.body(page(), 200, openApiPageHeaders));
  api.notFound((context) =>
    problemResponse(
      new AppError("not-found", `there is nothing at ${context.req.path.slice(0, 200)}`),
      context,
      logger,
    ),
  );
  api.onError((error, context) => problemResponse(error, context, logger));
  // checked: listeners give every binding the routes ask for; `actor` is set by the gate
  return api as unknown as Routes;
}

function lazily<Value extends string | object>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
