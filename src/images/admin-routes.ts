import { type Context, Hono } from "hono";
import type { z } from "zod";
import type { AppEnv, Routes } from "../http/app.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import {
  addRequestSchema,
  type Image,
  type imageListSchema,
  type Progress,
  pullRequestSchema,
  type Report,
  uploadPieceBytes,
  type uploadSchema,
} from "./model.ts";
import type { Images } from "./service.ts";

/** What administrators do with images, on the admin listener. Long work answers with a line per step. */
export function createImageAdminRoutes(images: Images): Routes {
  return new Hono<AppEnv>()
    .get("/api/v1/images", (context) =>
      context.json({ images: images.list() } satisfies z.input<typeof imageListSchema>),
    )
    .post("/api/v1/images/uploads", async (context) =>
      context.json(
        { upload: await images.beginUpload(), size: 0 } satisfies z.input<typeof uploadSchema>,
        201,
      ),
    )
    .post("/api/v1/images/uploads/:upload", async (context) => {
      const offset = Number(context.req.query("offset"));
      const piece = new Uint8Array(await context.req.arrayBuffer());
      if (!Number.isSafeInteger(offset) || offset < 0)
        throw new AppError("invalid", "offset must be a number of bytes");
      if (piece.length > uploadPieceBytes) throw new AppError("too-large", "the piece is too large");
      const upload = context.req.param("upload");
      const size = await images.appendUpload(upload, offset, piece);
      return context.json({ upload, size } satisfies z.input<typeof uploadSchema>);
    })
    .post("/api/v1/images/pull", async (context) => {
      const { os } = await readBody(context, pullRequestSchema);
      return work(context, (report, signal) => images.pull(os, report, signal));
    })
    .post("/api/v1/images/:name", async (context) => {
      const wanted = await readBody(context, addRequestSchema);
      const name = context.req.param("name");
      return work(context, (report) => images.add(name, wanted, report));
    })
    .post("/api/v1/images/:name/verify", (context) => {
      const name = context.req.param("name");
      return work(context, (report) => images.verify(name, report));
    })
    .delete("/api/v1/images/:name", async (context) => {
      await images.remove(context.req.param("name"));
      return context.body(null, 204);
    });
}

/** Milliseconds between two lines of progress. */
const pace = 200;

/** Streams how `run` comes along, a JSON object a line. Ends it when the caller goes away. */
function work(
  context: Context<AppEnv>,
  run: (report: Report, signal: AbortSignal) => Promise<Image>,
): Response {
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
  return context.body(body, 200, { "content-type": "application/x-ndjson" });
}

async function readBody<Schema extends z.ZodType>(
  context: Context<AppEnv>,
  schema: Schema,
): Promise<z.output<Schema>> {
  const result = schema.safeParse(await context.req.json().catch(() => undefined));
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new AppError(
    "invalid",
    `the request's '${issue?.path.join(".") ?? ""}' ${issue?.message ?? "is not valid"}`,
  );
}
