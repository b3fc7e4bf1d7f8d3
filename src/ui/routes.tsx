import type { Context } from "hono";
import type { AuditLog, DeviceLogins, Directory, Sessions, TokenService } from "../access/service.ts";
import { type ApiEnv, createApi, type Gate, openRoute } from "../http/gate.ts";
import { toProblem } from "../http/problem.ts";
import type { RateLimits } from "../http/rate-limits.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import { createAssetRoutes } from "./assets.ts";
import { createShow } from "./frame.ts";
import { may, pageRoute, renderPage, type Section, seeOther } from "./page.tsx";
import { createOpenPage, createSessionPages } from "./session-pages.tsx";

export interface UiDeps {
  gate: Gate;
  limits: RateLimits;
  clock: Clock;
  logger: Logger;
  newId: () => string;
  sessions: Sessions;
  logins: DeviceLogins;
  directory: Directory;
  tokens: TokenService;
  audit: AuditLog;
}

/** The web pages, each behind the permission its API has. */
export function createUi(deps: UiDeps) {
  const { gate, clock, logger } = deps;
  const sections: Section[] = [];
  const show = createShow(sections, clock);
  const pages = createApi();
  pages.use("/ui", gate.identify);
  pages.use("/ui/*", gate.identify);
  pages.route("/", createAssetRoutes());
  pages.route("/", createOpenPage({ ...deps, show }));
  pages.openapi(openRoute("leads on to the pages", pageRoute("get", "/", "The pages")), (context) =>
    seeOther(context, "/ui"),
  );
  pages.openapi(
    openRoute("leads on to what the asker may see", pageRoute("get", "/ui", "The pages")),
    (context) => {
      const { actor } = context.var;
      if (actor.principal.kind === "anonymous") throw signIn();
      return seeOther(
        context,
        sections.find(({ permission }) => may(actor, permission))?.path ?? "/ui/sessions",
      );
    },
  );
  pages.openapi(openRoute("says good-bye", pageRoute("get", "/ui/left", "After logging out")), (context) =>
    show(context, { title: "Logged out", children: <SignedOut /> }),
  );
  pages.route("/", createSessionPages({ ...deps, show }));
  pages.get("/ui/*", (context) => {
    throw new AppError("not-found", `there is no page ${context.req.path.slice(0, 200)}`);
  });
  pages.onError((error, context) => errorPage(error, context));

  function errorPage(thrown: unknown, context: Context<ApiEnv>): Response {
    const error = toAppError(thrown);
    if (error.code === "internal")
      logger.error("a page failed", { path: context.req.path, error: error.message });
    const { status, detail, hint, title } = toProblem(error);
    const unknown = error.code === "unauthenticated";
    return renderPage(
      {
        title: unknown ? "Not logged in" : title,
        actor: unknown ? undefined : context.var.actor,
        sections,
        now: clock.now(),
        children: unknown ? (
          <SignedOut because={detail} />
        ) : (
          <>
            <h1>That did not work</h1>
            <div class="errors" role="alert">
              <p>{detail}</p>
            </div>
            {hint === undefined ? null : <p class="quiet">{hint}</p>}
          </>
        ),
      },
      status,
      error.code === "too-many" ? { "retry-after": "2" } : {},
    );
  }
  return pages;
}

const signIn = () => new AppError("unauthenticated", "say who you are first", { hint: "labctl ui" });

function SignedOut({ because }: { because?: string }) {
  return (
    <>
      <h1>You are not logged in</h1>
      {because === undefined ? null : <p class="note">{because}</p>}
      <p>
        On a computer where <code>labctl</code> is logged in, run
      </p>
      <pre>labctl ui</pre>
      <p>and open the link it prints. It works once, for two minutes.</p>
    </>
  );
}
