import { z } from "zod";

/** One route with what it needs, as the documents and the test of completeness read it. */
export interface RouteAccess {
  method: string;
  path: string;
  /** `public`: anybody who can reach it. */
  permission: string;
  /** What protects a public route instead. */
  because?: string;
  /** An Idempotency-Key keeps it from being done twice. */
  once: boolean;
}

const operation = z.object({
  "x-permission": z.string(),
  "x-public-because": z.string().optional(),
  "x-once": z.boolean().default(false),
});
const description = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });

/** Reads the routes of an OpenAPI description. @throws when one of them names no permission. */
export function readRouteAccess(openApi: unknown): RouteAccess[] {
  const { paths } = description.parse(openApi);
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, route]) => {
      const read = operation.parse(route);
      const because = read["x-public-because"];
      return {
        method: method.toUpperCase(),
        path,
        permission: read["x-permission"],
        once: read["x-once"],
        ...(because !== undefined && { because }),
      };
    }),
  );
}

/** As a Markdown table, for the documents. */
export function renderRouteAccess(routes: readonly RouteAccess[]): string {
  const rows = routes.map(
    ({ method, path, permission, because }) =>
      `| \`${method} ${path}\` | ${permission === "public" ? `anybody: ${because}` : `\`${permission}\``} |`,
  );
  return ["| route | needs |", "|---|---|", ...rows].join("\n");
}
