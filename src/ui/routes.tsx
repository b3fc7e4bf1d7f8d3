import type { Context } from "hono";
import type { AuditLog, DeviceLogins, Directory, Sessions, TokenService } from "../access/service.ts";
import type { BootHistory } from "../boot/history-service.ts";
import type { Fleet } from "../fleet/service.ts";
import { type ApiEnv, createApi, type Gate, openRoute } from "../http/gate.ts";
import { toProblem } from "../http/problem.ts";
import type { RateLimits } from "../http/rate-limits.ts";
import type { Images } from "../images/service.ts";
import type { MachineDesk } from "../machines/desk.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import { createAccessPages, tokensPath, usersPath } from "./access-pages.tsx";
import { createAssetRoutes } from "./assets.ts";
import { auditPath, createAuditPages } from "./audit-pages.tsx";
import type { ChangeStream } from "./change-stream.ts";
import { createShow } from "./frame.ts";
import { createImagePages, imagesPath } from "./image-pages.tsx";
import { createInstallPages } from "./install-pages.tsx";
import { createMachinePages } from "./machine-pages.tsx";
import { machinesPath } from "./machine-parts.tsx";
import { may, pageRoute, renderPage, type Section, seeOther } from "./page.tsx";
import { createServerPages, serversPath } from "./server-pages.tsx";
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
  fleet: Fleet;
  desk: MachineDesk;
  /** Where a bastion runs in the same process. */
  lab?: LabPages;
}

/** What the pages show of a bastion besides its machines. */
export interface LabPages {
  images: Images;
  history: BootHistory;
  changes: ChangeStream;
}

/** The web pages, each behind the permission its API has. */
export function createUi(deps: UiDeps) {
  const { gate, clock, logger } = deps;
  const { lab } = deps;
  const sections: Section[] = [
    { path: machinesPath, title: "Machines", permission: "machines:read" },
    ...(lab === undefined ? [] : [{ path: imagesPath, title: "Images", permission: "images:read" as const }]),
    { path: serversPath, title: "Hosts", permission: "servers:read" },
    { path: auditPath, title: "Audit", permission: "audit:read" },
    { path: tokensPath, title: "Tokens", permission: "tokens:read" },
    { path: usersPath, title: "Users", permission: "users:read" },
  ];
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
  pages.route("/", createMachinePages({ ...deps, show }));
  if (lab !== undefined) {
    pages.route("/", createInstallPages({ ...deps, ...lab, show }));
    pages.route("/", createImagePages({ ...deps, ...lab, show }));
  }
  pages.route("/", createServerPages({ ...deps, show }));
  pages.route("/", createAuditPages({ ...deps, show }));
  pages.route("/", createAccessPages({ ...deps, show }));
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
