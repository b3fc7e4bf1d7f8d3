import type { Context } from "hono";
import type { ApiEnv } from "../http/gate.ts";
import { AppError } from "../platform/errors.ts";

const maxForm = 200_000;

/** The fields of a posted form, as text; of several of one name the last. @throws `invalid`, `too-large`. */
export async function readForm(context: Context<ApiEnv>): Promise<Partial<Record<string, string>>> {
  if (!context.req.header("content-type")?.startsWith("application/x-www-form-urlencoded"))
    throw new AppError("invalid", "this takes what a form sends");
  const text = await context.req.text();
  if (text.length > maxForm) throw new AppError("too-large", "the form is too large");
  return Object.fromEntries(new URLSearchParams(text));
}
