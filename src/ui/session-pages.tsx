import { z } from "@hono/zod-openapi";
import { deleteCookie, setCookie } from "hono/cookie";
import type { DeviceLogins, Sessions } from "../access/service.ts";
import { endSession, takeGuess, visibleSessions } from "../access/session-routes.ts";
import { createApi, openRoute, sessionCookie } from "../http/gate.ts";
import type { RateLimits } from "../http/rate-limits.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import { readForm } from "./form.ts";
import type { Show } from "./frame.ts";
import { may, pageRoute, renderPage, seeOther } from "./page.tsx";
import { Ago, Facts, Field, PostButton, Table, Time } from "./parts.tsx";

export interface SessionPagesDeps {
  show: Show;
  sessions: Sessions;
  logins: DeviceLogins;
  limits: RateLimits;
  clock: Clock;
  newId: () => string;
}

/** The link of `labctl ui`: outside of what asks who you are, because it is the answer. */
export function createOpenPage({ sessions, limits, clock, newId }: SessionPagesDeps) {
  return createApi().openapi(
    openRoute("needs a one-time link; bounded by address", {
      ...pageRoute("get", "/open/{secret}", "Follows a one-time link"),
      request: { params: z.object({ secret: z.string().max(100) }) },
    }),
    async (context) => {
      const from = context.env.clientIp;
      limits.take("tokens", from);
      // Another site's page must neither use the link up nor log its reader in as somebody else; nor may a
      // browser that only fetches ahead.
      const site = context.req.header("sec-fetch-site") ?? "none";
      if (site !== "none" && site !== "same-origin") {
        throw new AppError("forbidden", "a link that another page leads to is not followed", {
          hint: "it was not used: copy it into the address bar",
        });
      }
      if (context.req.method !== "GET" || context.req.header("sec-purpose")?.includes("prefetch"))
        throw new AppError("conflict", "the link was not followed");
      const browser = context.req.header("user-agent") ?? "";
      const { secret } = context.req.valid("param");
      const { cookie, subject } = await sessions.open(secret, { from, browser, requestId: newId() });
      setCookie(context, sessionCookie, cookie, {
        path: "/",
        secure: true,
        httpOnly: true,
        sameSite: "Strict",
      });
      const set = context.res.headers.get("set-cookie") ?? "";
      // Not a redirect: on one that began elsewhere, a strict cookie would not be sent along.
      return renderPage(
        {
          title: "Logged in",
          actor: undefined,
          sections: [],
          now: clock.now(),
          children: (
            <>
              <h1>{`Logged in as ${subject}`}</h1>
              <p>
                <a href="/ui">Go on</a>
              </p>
            </>
          ),
        },
        200,
        { "set-cookie": set, refresh: "0; url=/ui" },
      );
    },
  );
}

/** Your sessions, leaving, and letting in a command line. */
export function createSessionPages({ show, sessions, logins, limits, clock }: SessionPagesDeps) {
  const own = "shows and changes what is the asker's own";
  return createApi()
    .openapi(openRoute(own, pageRoute("get", "/ui/sessions", "Sessions of the pages")), async (context) => {
      const { actor } = context.var;
      const items = await visibleSessions(sessions, actor);
      const now = clock.now();
      return show(context, {
        title: "Sessions",
        children: (
          <>
            <div class="head">
              <div>
                <h1>Sessions</h1>
                <p class="sub">
                  You are {actor.principal.name}, with the roles{" "}
                  {actor.principal.roles.map(({ name }) => name).join(", ") || "none"}.
                </p>
              </div>
              <div class="actions">
                <a class="button" href="/ui/device">
                  Let a command line in
                </a>
              </div>
            </div>
            <section class="panel flush">
              <Table
                label="Sessions"
                rows={items}
                empty="No session of the pages is open."
                columns={[
                  { title: "Session", value: ({ id }) => <span class="mono">{id}</span> },
                  { title: "Who", value: ({ subject }) => subject },
                  { title: "From", value: ({ from }) => from },
                  { title: "Browser", value: ({ browser }) => browser },
                  { title: "Used", value: ({ seenAt }) => <Ago at={seenAt} now={now} /> },
                  { title: "Ends", value: ({ endsAt }) => <Time at={endsAt} /> },
                  {
                    title: "",
                    value: ({ id }) =>
                      `web/${id}` === actor.principal.session ? (
                        "this one"
                      ) : (
                        <PostButton action="/ui/sessions/end" label="End" danger fields={{ id }} />
                      ),
                  },
                ]}
              />
            </section>
          </>
        ),
      });
    })
    .openapi(openRoute(own, pageRoute("post", "/ui/sessions/end", "Ends a session")), async (context) => {
      const { id = "" } = await readForm(context);
      await endSession(sessions, context.var.actor, id);
      return seeOther(context, "/ui/sessions");
    })
    .openapi(openRoute(own, pageRoute("post", "/ui/logout", "Ends this session")), async (context) => {
      const { actor } = context.var;
      const id = actor.principal.session?.startsWith("web/") ? actor.principal.session.slice(4) : undefined;
      if (id !== undefined) await sessions.end(actor, id);
      deleteCookie(context, sessionCookie, { path: "/", secure: true });
      return seeOther(context, "/ui/left");
    })
    .openapi(
      openRoute("asks who you are, and for the code", {
        ...pageRoute("get", "/ui/device", "Lets a command line in"),
        request: { query: z.object({ code: z.string().max(20).optional() }) },
      }),
      async (context) => {
        const { actor } = context.var;
        const { code } = context.req.valid("query");
        if (code === undefined)
          return show(context, { title: "Let a command line in", children: <AskCode /> });
        takeGuess(limits, actor);
        const found = await logins.find(code).catch((error: unknown) => {
          if (error instanceof AppError && error.code === "not-found") return undefined;
          throw error;
        });
        if (found === undefined) {
          const children = <AskCode code={code} error="no command line waits under this code" />;
          return show(context, { title: "Let a command line in", children }, 404);
        }
        const isUser = actor.principal.kind === "user";
        return show(context, {
          title: "Let a command line in",
          children: (
            <>
              <h1>Let this command line in?</h1>
              <p class="note fail">
                Only if you started it yourself, just now, and it shows the same code. Whoever holds it can
                then do what you can do.
              </p>
              <section class="panel">
                <Facts
                  items={[
                    ["Code", <strong class="mono">{found.code}</strong>],
                    ["Says its host is", found.host],
                    ["Asks from", found.from],
                    ["Began", <Ago at={found.createdAt} now={clock.now()} />],
                  ]}
                />
              </section>
              <form method="post" action="/ui/device">
                <input type="hidden" name="code" value={found.code} />
                {may(actor, "users:create") ? (
                  <div class="fields">
                    <Field
                      name="user"
                      label="As the user"
                      hint={isUser ? "Empty: as yourself." : "You are no user yourself: name one."}
                      control={(attributes) => (
                        <input {...attributes} autocomplete="off" required={!isUser} maxlength={64} />
                      )}
                    />
                  </div>
                ) : null}
                <div class="actions">
                  <button class="primary" type="submit" name="answer" value="yes">
                    Let it in
                  </button>
                  <button class="danger" type="submit" name="answer" value="no" formnovalidate>
                    Turn it away
                  </button>
                </div>
              </form>
            </>
          ),
        });
      },
    )
    .openapi(
      openRoute("asks who you are, and for the code", pageRoute("post", "/ui/device", "The answer")),
      async (context) => {
        const { actor } = context.var;
        takeGuess(limits, actor);
        const { code = "", user = "", answer } = await readForm(context);
        if (answer !== "yes") {
          await logins.deny(actor, code);
          return show(context, { title: "Turned away", children: <h1>It was turned away</h1> });
        }
        const name = await logins.grant(actor, code, user === "" ? undefined : user);
        return show(context, {
          title: "Let in",
          children: (
            <>
              <h1>{`It was let in as user/${name}`}</h1>
              <p>Its certificate lives for twelve hours; go on there.</p>
            </>
          ),
        });
      },
    );
}

function AskCode({ code, error }: { code?: string; error?: string }) {
  return (
    <>
      <h1>Let a command line in</h1>
      <p class="sub">labctl login shows a code: enter it here.</p>
      <form method="get" action="/ui/device">
        <div class="fields">
          <Field
            name="code"
            label="Code"
            error={error}
            control={(attributes) => (
              <input
                {...attributes}
                class="code"
                value={code}
                required
                maxlength={20}
                autocomplete="off"
                autocapitalize="characters"
                spellcheck={false}
              />
            )}
          />
        </div>
        <button class="primary" type="submit">
          Go on
        </button>
      </form>
    </>
  );
}
