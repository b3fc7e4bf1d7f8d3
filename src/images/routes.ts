import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { type ApiEnv, createApi, type Gate, guardedRoute } from "../http/gate.ts";
import { pageFrom, pageQuery } from "../http/page.ts";
import { body, created, json, nothing, raw } from "../http/route-parts.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import {
  addRequestSchema,
  type Image,
  imageListSchema,
  imageSchema,
  type Progress,
  pullRequestSchema,
  type Report,
  uploadPieceBytes,
  uploadSchema,
} from "./model.ts";
import type { Images } from "./service.ts";

const one = { params: z.object({ name: z.string().max(64) }) };
const lines = raw(
  "application/x-ndjson",
  "How it comes along, a JSON object a line; the last is `done` or `failed`",
);

/** Disk images and installers. Long work answers with a line per step. */
export function createImageRoutes(gate: Gate, images: Images) {
  const resource = (context: { req: { param(name: string): string | undefined } }) => ({
    name: `image/${context.req.param("name") ?? ""}`,
  });
  const audited = { resource, audited: true };

  return createApi()
    .openapi(
      guardedRoute(gate, "images:read", {
        method: "get",
        path: "/api/v1/images",
        summary: "Disk images and installers",
        request: { query: pageQuery },
        responses: json(imageListSchema, "Images"),
      }),
      (context) => context.json(pageFrom(images.list(), keyOf, context.req.valid("query")), 200),
    )
    .openapi(
      guardedRoute(
        gate,
        "images:read",
        {
          method: "get",
          path: "/api/v1/images/{name}",
          summary: "One image",
          request: one,
          responses: json(imageSchema, "The image"),
        },
        { resource },
      ),
      (context) => context.json(images.named(context.req.valid("param").name), 200),
    )
    .openapi(
      guardedRoute(
        gate,
        "images:add",
        {
          method: "post",
          path: "/api/v1/images/uploads",
          summary: "Begins to hand over a file",
          responses: created(uploadSchema, "The upload"),
        },
        { once: true },
      ),
      async (context) => context.json({ upload: await images.beginUpload(), size: 0 }, 201),
    )
    .openapi(
      guardedRoute(
        gate,
        "images:add",
        {
          method: "post",
          path: "/api/v1/images/uploads/{upload}",
          summary: "The next piece of it",
          request: {
            params: z.object({ upload: z.string().max(64) }),
            query: z.object({ offset: z.coerce.number().pipe(z.int().min(0)) }),
            body: { content: { "application/octet-stream": { schema: z.string() } } },
          },
          responses: json(uploadSchema, "How much of it is there"),
        },
        // One record for each megabyte would drown the others: the audit tells of its beginning and of the image.
        { audited: true },
      ),
      async (context) => {
        const piece = new Uint8Array(await context.req.arrayBuffer());
        if (piece.length > uploadPieceBytes) throw new AppError("too-large", "the piece is too large");
        const { upload } = context.req.valid("param");
        const size = await images.appendUpload(upload, context.req.valid("query").offset, piece);
        return context.json({ upload, size }, 200);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "images:pull",
        {
          method: "post",
          path: "/api/v1/images/pull",
          summary: "Fetches a distribution's network installer",
          request: body(pullRequestSchema),
          responses: lines,
        },
        audited,
      ),
      (context) => {
        const { os, ...options } = context.req.valid("json");
        return work(context, (report, signal) => images.pull(context.var.actor, os, options, report, signal));
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "images:add",
        {
          method: "put",
          path: "/api/v1/images/{name}",
          summary: "Makes what was handed over an image",
          request: { ...one, ...body(addRequestSchema) },
          responses: lines,
        },
        audited,
      ),
      (context) => {
        const wanted = context.req.valid("json");
        const { name } = context.req.valid("param");
        return work(context, (report) => images.add(context.var.actor, name, wanted, report));
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "images:verify",
        {
          method: "post",
          path: "/api/v1/images/{name}/verify",
          summary: "Reads its files and proves their checksums",
          request: one,
          responses: lines,
        },
        audited,
      ),
      (context) => {
        const { name } = context.req.valid("param");
        return work(context, (report) => images.verify(context.var.actor, name, report));
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "images:remove",
        {
          method: "delete",
          path: "/api/v1/images/{name}",
          summary: "Removes an image and its files",
          request: one,
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        await images.remove(context.var.actor, context.req.valid("param").name);
        return context.body(null, 204);
      },
    );
}

export type ImageRoutes = ReturnType<typeof createImageRoutes>;

/** Lists come in this order; a space sorts before all a name is made of. */
const keyOf = ({ kind, name }: Image) => `${kind} ${name}`;

/** Milliseconds between two lines of progress. */
const pace = 200;

/** Streams how `run` comes along, a JSON object a line. Ends it when the caller goes away. */
function work(context: Context<ApiEnv>, run: (report: Report, signal: AbortSignal) => Promise<Image>) {
  context.env.untimed();
  const gone = new AbortController();
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const write = (line: Progress) => {
        if (!gone.signal.aborted) controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
      };
      let told = Number.NEGATIVE_INFINITY;
      let last = "";
      const report: Report = (what, done, total) => {
        if (what === last && performance.now() - told < pace) return;
        told = performance.now();
        last = what;
        write({ kind: "progress", what, done, ...(total !== undefined && { total }) });
      };
      try {
        write({ kind: "done", image: await run(report, gone.signal) });
      } catch (thrown) {
        const { code, message, hint } = toAppError(thrown);
        write({ kind: "failed", code, message, ...(hint !== undefined && { hint }) });
      }
      if (!gone.signal.aborted) controller.close();
    },
    cancel: () => gone.abort(new Error("the caller went away")),
  });
  // checked: a stream is a body like any other; the schema can only say that it is text
  return context.body(body, 200, { "content-type": "application/x-ndjson" }) as never;
}
