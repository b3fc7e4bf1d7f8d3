import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Child } from "hono/jsx";
import { type Actor, decideAccess, mayForSome, type Permission } from "../access/service.ts";
import type { ApiEnv } from "../http/gate.ts";
import { build } from "../platform/build.ts";
import { scriptPath, stylesheetPath } from "./assets.ts";

export interface Section {
  path: string;
  title: string;
  permission: Permission;
}

/** What every page has around its own part. */
export interface Frame {
  title: string;
  actor: Actor | undefined;
  sections: readonly Section[];
  /** Milliseconds since the epoch, here: the browser's clock may be another. */
  now: number;
  /** Path of the section this page is in. */
  here?: string;
  /** Seconds between two looks for what is new. */
  refresh?: number;
  /** Event stream that says when to look. */
  changes?: string;
  /** Event stream of one machine's install. */
  follow?: string;
  children?: Child;
}

/** Whether the asker may, at least for some resource: decides what is shown, never what is done. */
export const may = (actor: Actor | undefined, permission: Permission) =>
  actor !== undefined && mayForSome(actor.principal.roles, permission);
/** Whether the asker may for this resource. */
export const mayOn = (actor: Actor, permission: Permission, labels: Readonly<Record<string, string>>) =>
  decideAccess(actor.principal.roles, permission, labels).allowed;

function Page({ title, actor, sections, now, here, refresh, changes, follow, children }: Frame) {
  const known = actor !== undefined && actor.principal.kind !== "anonymous" ? actor : undefined;
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{`${title} · labctl`}</title>
        <link rel="stylesheet" href={stylesheetPath} />
        <link rel="icon" href="data:," />
        <script type="module" src={scriptPath} />
      </head>
      <body data-now={String(now)} data-refresh={refresh} data-changes={changes} data-follow={follow}>
        <a class="skip" href="#main">
          Skip to the content
        </a>
        <header class="bar">
          <div>
            <a class="brand" href="/ui">
              labctl
            </a>
            <nav aria-label="Sections">
              <ul>
                {sections
                  .filter(({ permission }) => may(known, permission))
                  .map((section) => (
                    <li>
                      <a href={section.path} aria-current={section.path === here ? "page" : undefined}>
                        {section.title}
                      </a>
                    </li>
                  ))}
              </ul>
            </nav>
            {known === undefined ? null : (
              <div class="who">
                <a href="/ui/sessions">{known.principal.name}</a>
                {known.principal.session?.startsWith("web/") ? (
                  <form method="post" action="/ui/logout">
                    <button type="submit">Log out</button>
                  </form>
                ) : null}
              </div>
            )}
          </div>
        </header>
        <main id="main">{children}</main>
        <footer>labctl {build.version}</footer>
      </body>
    </html>
  );
}

/** Nothing but our own files, nothing in line, no frame around it, and forms go nowhere else. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "connect-src 'self'",
  "img-src data:",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join("; ");

const headers = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": contentSecurityPolicy,
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  // Not 'no-referrer': browsers would then say of our own forms that they come from nowhere.
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

export function renderPage(frame: Frame, status = 200, extra: Record<string, string> = {}): Response {
  return new Response(`<!doctype html>${Page(frame).toString()}`, {
    status,
    headers: { ...headers, ...extra },
  });
}

/** After a form was taken: the page to go on with, so that going back does not send it again. */
export const seeOther = (context: Context<ApiEnv>, path: string) => context.redirect(path, 303);

/** The part of a route's description that all pages have in common. */
export const pageRoute = <const Path extends string, const Method extends "get" | "post">(
  method: Method,
  path: Path,
  summary: string,
) => ({
  method,
  path,
  summary,
  tags: ["pages"],
  responses: { 200: { description: "A page", content: { "text/html": { schema: z.string() } } } },
});
