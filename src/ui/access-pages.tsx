import type { Directory, TokenService, TokenView } from "../access/service.ts";
import { createApi, type Gate, guardedRoute } from "../http/gate.ts";
import type { Clock } from "../platform/clock.ts";
import { readForm } from "./form.ts";
import type { Show } from "./frame.ts";
import { may, pageRoute, seeOther } from "./page.tsx";
import { Ago, PostButton, State, Table, Time, type Tone } from "./parts.tsx";

export const tokensPath = "/ui/tokens";
export const usersPath = "/ui/users";
const tones: Record<TokenView["state"], Tone> = {
  usable: "done",
  "used up": "none",
  expired: "none",
  revoked: "fail",
};

/** Tokens, users and roles: to be read; a token can be revoked. */
export function createAccessPages({
  gate,
  show,
  directory,
  tokens,
  clock,
}: {
  gate: Gate;
  show: Show;
  directory: Directory;
  tokens: TokenService;
  clock: Clock;
}) {
  return createApi()
    .openapi(guardedRoute(gate, "tokens:read", pageRoute("get", tokensPath, "Tokens")), async (context) => {
      const now = clock.now();
      const mayRevoke = may(context.var.actor, "tokens:revoke");
      return show(context, {
        title: "Tokens",
        here: tokensPath,
        children: (
          <>
            <div class="head">
              <div>
                <h1>Tokens</h1>
                <p class="sub">Their secrets were shown once and are kept nowhere.</p>
              </div>
            </div>
            <section class="panel flush">
              <Table
                label="Tokens"
                rows={await tokens.list(1000)}
                empty="No token was made yet: labctl token create."
                columns={[
                  { title: "Id", value: ({ id }) => <span class="mono">{id}</span> },
                  { title: "Kind", value: ({ kind }) => kind },
                  { title: "State", value: ({ state }) => <State tone={tones[state]}>{state}</State> },
                  {
                    title: "For",
                    value: ({ subject, scope }) => subject || scope.name || scope.mac,
                  },
                  { title: "Uses left", number: true, value: ({ usesLeft }) => usesLeft ?? "any" },
                  { title: "Expires", value: ({ expiresAt }) => <Time at={expiresAt} /> },
                  {
                    title: "Last used",
                    value: ({ lastUsedAt }) => lastUsedAt && <Ago at={lastUsedAt} now={now} />,
                  },
                  { title: "By", value: ({ createdBy }) => createdBy },
                  { title: "Description", value: ({ description }) => description },
                  {
                    title: "",
                    value: ({ id, state }) =>
                      mayRevoke && state === "usable" ? (
                        <PostButton action="/ui/tokens/revoke" label="Revoke" danger fields={{ id }} />
                      ) : null,
                  },
                ]}
              />
            </section>
          </>
        ),
      });
    })
    .openapi(
      guardedRoute(gate, "tokens:revoke", pageRoute("post", "/ui/tokens/revoke", "Revokes a token"), {
        audited: true,
      }),
      async (context) => {
        const { id = "" } = await readForm(context);
        await tokens.revoke(context.var.actor, id);
        return seeOther(context, tokensPath);
      },
    )
    .openapi(
      guardedRoute(gate, "users:read", pageRoute("get", usersPath, "Users and roles")),
      async (context) =>
        show(context, {
          title: "Users",
          here: usersPath,
          children: (
            <>
              <h1>Users and roles</h1>
              <section class="panel flush">
                <Table
                  label="Users"
                  rows={await directory.users()}
                  empty="There is no user yet: labctl auth add-user."
                  columns={[
                    { title: "User", value: ({ name }) => name },
                    { title: "Roles", value: ({ roles }) => roles.join(", ") },
                    { title: "Groups", value: ({ groups }) => groups.join(", ") },
                    { title: "Since", value: ({ createdAt }) => <Time at={createdAt} /> },
                    { title: "State", value: ({ disabled }) => (disabled ? "disabled" : "") },
                  ]}
                />
              </section>
              <section class="panel flush">
                <Table
                  label="Roles"
                  rows={await directory.roles()}
                  empty="There are no roles."
                  columns={[
                    { title: "Role", value: ({ name }) => name },
                    { title: "What it is for", value: ({ summary }) => summary },
                    {
                      title: "Grants",
                      value: ({ grants }) =>
                        grants.map(({ effect, permission, labels }) => (
                          <>
                            <code>{`${effect === "deny" ? "deny " : ""}${permission}`}</code>
                            {labels === undefined
                              ? " "
                              : ` (${Object.entries(labels)
                                  .map(([key, value]) => `${key}=${value}`)
                                  .join(", ")}) `}
                          </>
                        )),
                    },
                  ]}
                />
              </section>
            </>
          ),
        }),
    );
}
