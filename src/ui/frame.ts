import type { Context } from "hono";
import type { ApiEnv } from "../http/gate.ts";
import type { Clock } from "../platform/clock.ts";
import { type Frame, renderPage, type Section } from "./page.tsx";

/** Puts a page's own part into what all pages have around it. */
export type Show = (
  context: Context<ApiEnv>,
  page: Omit<Frame, "actor" | "sections" | "now">,
  status?: number,
) => Response;

export const createShow =
  (sections: readonly Section[], clock: Clock): Show =>
  (context, page, status) =>
    renderPage({ ...page, actor: context.var.actor, sections, now: clock.now() }, status);
