import { createHash } from "node:crypto";
import { z } from "@hono/zod-openapi";
import { createApi, openRoute } from "../http/gate.ts";
import { AppError } from "../platform/errors.ts";
import script from "./assets/live.js" with { type: "text" };
import style from "./assets/style.css" with { type: "text" };

const asset = (name: string, extension: string, type: string, text: string) => {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  return { name: `${name}-${hash}.${extension}`, type, text };
};
const stylesheet = asset("style", "css", "text/css; charset=utf-8", style);
const live = asset("live", "js", "text/javascript; charset=utf-8", script);

/** Their names change with their content, so that browsers may keep them for ever. */
export const stylesheetPath = `/assets/${stylesheet.name}`;
export const scriptPath = `/assets/${live.name}`;

export function createAssetRoutes() {
  return createApi().openapi(
    openRoute("the pages' own style and script, the same for everybody", {
      method: "get",
      path: "/assets/{name}",
      summary: "Style and script of the pages",
      tags: ["pages"],
      request: { params: z.object({ name: z.string().max(64) }) },
      responses: { 200: { description: "The file", content: { "text/css": { schema: z.string() } } } },
    }),
    (context) => {
      const { name } = context.req.valid("param");
      const found = [stylesheet, live].find((each) => each.name === name);
      if (found === undefined) throw new AppError("not-found", "there is no such file");
      const headers = {
        "content-type": found.type,
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "same-origin",
      };
      return new Response(found.text, { headers });
    },
  );
}
