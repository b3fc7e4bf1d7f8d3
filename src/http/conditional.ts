import { createHash } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { AppError } from "../platform/errors.ts";
import type { Precondition } from "../platform/precondition.ts";

const hash = (text: string) => `"${createHash("sha256").update(text).digest("base64url").slice(0, 27)}"`;

/** The strong ETag of a representation, in whatever order its keys are (RFC 9110, section 8.8.3). */
export const etagOf = (value: unknown) => hash(JSON.stringify(value, sorted));

const sorted = (_: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** `If-Match` and `If-None-Match` of a change (RFC 9110, sections 13.1.1 and 13.1.2). */
export function preconditionOf(context: Context): Precondition {
  const match = context.req.header("if-match");
  const noneMatch = context.req.header("if-none-match");
  return (current) => {
    const exists = current !== undefined;
    const tag = etagOf(current ?? null);
    if (match !== undefined && !(exists && names(match, tag))) {
      throw new AppError(
        "stale",
        exists ? "it was changed since it was read" : "it is not there (any more)",
        {
          hint: "read it again, and change what is there now",
        },
      );
    }
    if (noneMatch !== undefined && exists && names(noneMatch, tag)) {
      throw new AppError("stale", "it is there already");
    }
  };
}

/** Gives what is read a strong ETag, and answers 304 where the asker has it already. */
export const conditionalGet: MiddlewareHandler = async (context, next) => {
  await next();
  const { res, req } = context;
  const json = res.headers.get("content-type")?.startsWith("application/json") === true;
  if (req.method !== "GET" || res.status !== 200 || !json) return;
  const known = res.headers.get("etag");
  const tag = known ?? hash(await res.clone().text());
  const wanted = req.header("if-none-match");
  if (wanted !== undefined && names(wanted, tag)) {
    context.res = undefined;
    context.res = new Response(null, { status: 304, headers: { etag: tag } });
  } else if (known === null) res.headers.set("etag", tag);
};

/** Whether the header's list holds the tag; `*` holds every one. Ours are strong: a `W/` before one is no match. */
const names = (header: string, tag: string) =>
  header.trim() === "*" ||
  header
    .split(",")
    .map((each) => each.trim())
    .includes(tag);
