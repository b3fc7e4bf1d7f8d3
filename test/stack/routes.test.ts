import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decideAccess, seededRoles } from "../../src/access/permissions.ts";
import { createBootRoutes } from "../../src/boot/lab-routes.ts";
import { createApp, type Routes } from "../../src/http/app.ts";
import { createAliveRoute, createMetricsRoutes } from "../../src/http/operations-routes.ts";
import { createMachineLabRoutes } from "../../src/machines/lab-routes.ts";
import { silentLogger } from "../../src/platform/logger.ts";
import { buildExecutable } from "../lab/artifacts.ts";
import { type RouteAccess, readRouteAccess, renderRouteAccess } from "./permission-table.ts";
import { createStack, type Stack } from "./stack.ts";

/** Who may call each route: the least of the seeded roles, or anybody. A route that is not here fails the test. */
const whoMay: Record<string, "anybody" | "viewer" | "operator" | "admin"> = {
  "GET /api/v1/whoami": "anybody",
  "GET /api/v1/can-i": "anybody",
  "POST /api/v1/login": "anybody",
  "POST /api/v1/renew": "anybody",
  "POST /api/v1/sessions": "anybody",
  "GET /api/v1/sessions": "anybody",
  "DELETE /api/v1/sessions/{name}": "anybody",
  "POST /api/v1/login/device": "anybody",
  "POST /api/v1/login/device/poll": "anybody",
  "GET /api/v1/login/device/{name}": "anybody",
  "POST /api/v1/login/device/{name}/approve": "anybody",
  "POST /api/v1/login/device/{name}/deny": "anybody",
  "GET /": "anybody",
  "GET /assets/{name}": "anybody",
  "GET /open/{secret}": "anybody",
  "GET /ui": "anybody",
  "GET /ui/left": "anybody",
  "GET /ui/sessions": "anybody",
  "POST /ui/sessions/end": "anybody",
  "POST /ui/logout": "anybody",
  "GET /ui/device": "anybody",
  "POST /ui/device": "anybody",
  "GET /ui/machines": "viewer",
  "GET /ui/machines/changes": "viewer",
  "GET /ui/machines/{machine}": "viewer",
  "POST /ui/machines/{machine}/forget": "operator",
  "POST /ui/machines/{machine}/cancel": "operator",
  "GET /ui/machines/{machine}/install": "operator",
  "POST /ui/machines/{machine}/install": "operator",
  "GET /ui/images": "viewer",
  "GET /ui/servers": "viewer",
  "GET /ui/servers/{name}": "viewer",
  "GET /ui/audit": "operator",
  "GET /ui/audit/verify": "operator",
  "GET /ui/tokens": "operator",
  "POST /ui/tokens/revoke": "operator",
  "GET /ui/users": "admin",
  "GET /api/v1/ca.pem": "anybody",
  "POST /api/v1/enrol": "anybody",
  "GET /api/v1/tokens": "operator",
  "GET /api/v1/tokens/{name}": "operator",
  "GET /api/v1/agents": "viewer",
  "GET /api/v1/agents/{name}": "viewer",
  "GET /api/v1/bastions/{name}": "viewer",
  "POST /api/v1/tokens": "operator",
  "DELETE /api/v1/tokens/{name}": "operator",
  "GET /api/v1/users": "admin",
  "POST /api/v1/users": "admin",
  "DELETE /api/v1/users/{name}": "admin",
  "GET /api/v1/roles": "admin",
  "GET /api/v1/users/{name}": "admin",
  "GET /api/v1/roles/{name}": "admin",
  "GET /api/v1/groups": "admin",
  "GET /api/v1/groups/{name}": "admin",
  "PUT /api/v1/groups/{name}": "admin",
  "PUT /api/v1/roles": "admin",
  "DELETE /api/v1/roles/{name}": "admin",
  "PUT /api/v1/bindings": "admin",
  "DELETE /api/v1/bindings": "admin",
  "GET /api/v1/ca": "admin",
  "POST /api/v1/ca/rotate": "admin",
  "POST /api/v1/ca/retire": "admin",
  "GET /api/v1/audit": "operator",
  "GET /api/v1/audit/follow": "operator",
  "GET /api/v1/audit/verify": "operator",
  "GET /api/v1/log": "operator",
  "GET /api/v1/log/follow": "operator",
  "GET /api/v1/audit/export": "operator",
  "POST /api/v1/bastions/enrol": "anybody",
  "GET /api/v1/bastions": "viewer",
  "POST /api/v1/bastions/{name}/revoke": "operator",
  "DELETE /api/v1/bastions/{name}": "operator",
  "GET /api/v1/servers": "viewer",
  "GET /api/v1/servers/{name}": "viewer",
  "GET /api/v1/servers/{name}/labels": "viewer",
  "PATCH /api/v1/servers/{name}/labels": "operator",
  "POST /api/v1/servers/{name}/revoke": "operator",
  "POST /api/v1/servers/{name}/move": "admin",
  "DELETE /api/v1/servers/{name}": "operator",
  "GET /healthz": "anybody",
  "GET /health": "anybody",
  "GET /health/live": "anybody",
  "GET /health/ready": "anybody",
  "GET /api/v1/status": "viewer",
  "GET /health/detailed": "viewer",
  "GET /metrics": "viewer",
  "GET /api/v1/machines": "viewer",
  "GET /api/v1/machines/{machine}": "viewer",
  "GET /api/v1/machines/{machine}/boot": "viewer",
  "POST /api/v1/machines/{machine}/install": "operator",
  "POST /api/v1/machines/{machine}/cancel": "operator",
  "POST /api/v1/machines/{machine}/reprovision": "operator",
  "POST /api/v1/machines/{machine}/wake": "operator",
  "GET /api/v1/machines/{machine}/boot-options": "viewer",
  "POST /api/v1/machines/{machine}/boot-options": "operator",
  "DELETE /api/v1/machines/{machine}": "operator",
  "GET /api/logs/{machine}": "viewer",
  "GET /api/logs/{machine}/follow": "viewer",
  "GET /api/v1/images": "viewer",
  "GET /api/v1/images/{name}": "viewer",
  "PUT /api/v1/images/{name}": "operator",
  "DELETE /api/v1/images/{name}": "operator",
  "POST /api/v1/images/{name}/verify": "operator",
  "POST /api/v1/images/pull": "operator",
  "POST /api/v1/images/uploads": "operator",
  "POST /api/v1/images/uploads/{upload}": "operator",
};

/** The other listeners ask nobody who they are: each of their routes, and what protects it instead. */
const unproven: Record<string, Record<string, string>> = {
  lab: {
    "GET /dispatch": "a machine has no identity before it boots; it hands out a script, bounded by machine",
    "GET /dispatch/orders":
      "as /dispatch; an install's token is made for that machine alone, bounded by machine",
    "GET /boot.ipxe": "the first script, the same for everybody",
    "GET /autoexec.ipxe": "the first script, the same for everybody",
    "GET /boot/*": "boot programs, the same for everybody, read-only",
    "GET /grub/*": "as /dispatch, for GRUB",
    "GET /ram/*": "the RAM environment, the same for everybody, read-only",
    "GET /installer/*": "distributions' public files, read-only",
    "GET /image/*": "disk images without secrets: what is a machine's own is in its install data",
    "GET /agent/*": "the executable, the same for everybody",
    "GET /discover.ks": "a template without secrets",
    "GET /install/:token/:file":
      "needs the install's one-time token, from that machine's address, once a boot",
    "POST /api/discover":
      "a report changes what is known of a machine, never what is done to it; bounded in size and number",
    "POST /api/progress": "needs the token of the running install",
    "POST /api/log": "needs the token of the running install; bounded in size, rate and number",
    "GET /healthz": "says that the listener answers",
  },
  metrics: {
    "GET /metrics": "opened by the configuration alone; no metric names a machine, a user or an address",
  },
};

/** WebSockets, by what opens them. */
const sockets: Record<string, string> = {
  "GET /api/v1/agent": "an agent's certificate",
  "GET /api/v1/servers/{name}/exec": "`servers:exec`, and `servers:operate` for a host operation",
  "GET /api/v1/servers/{name}/logs": "`servers:logs`, and `servers:exec` for a file outside /var/log",
};

/** Made of nothing: its routes are looked at, and none is called. */
// checked: no handler runs
const nothing = {} as never;
const listeners: Record<string, Routes> = {
  lab: createApp(
    [createBootRoutes(nothing), createMachineLabRoutes(nothing, nothing), createAliveRoute()],
    silentLogger,
  ),
  metrics: createMetricsRoutes(nothing),
};

let stack: Stack;
let routes: RouteAccess[];
beforeAll(async () => {
  await buildExecutable();
  stack = createStack();
  await stack.startLabd("standalone");
  const response = await fetch("http://labctl/api/v1/openapi.json", {
    unix: stack.socket,
  });
  routes = readRouteAccess(await response.json());
}, 60_000);
afterAll(() => stack.stop());

function leastRole({ permission }: RouteAccess) {
  if (permission === "public") return "anybody";
  const [resource = "", verb = ""] = permission.split(":");
  return (["viewer", "operator", "admin"] as const).find(
    (name) =>
      decideAccess(
        seededRoles.filter((role) => role.name === name),
        `${resource}:${verb}`,
      ).allowed,
  );
}

test("every route is in the table, and lets in exactly whom the table says", () => {
  const found = Object.fromEntries(
    routes.map((route) => [`${route.method} ${route.path}`, leastRole(route)]),
  );
  expect(found).toEqual(whoMay);
});

/** What may be sent twice without an Idempotency-Key, and why nothing is made twice. */
const harmless: Record<string, string> = {
  "/api/v1/login": "its token is used up by the first",
  "/api/v1/enrol": "its token says how often",
  "/api/v1/renew": "a certificate more does no harm",
  "/api/v1/sessions": "its link is used up by the first",
  "/api/v1/login/device": "a login nobody approves ends by itself",
  "/api/v1/login/device/poll": "it asks",
  "/api/v1/login/device/{name}/approve": "it sets",
  "/api/v1/login/device/{name}/deny": "it sets",
  "/api/v1/ca/retire": "it names what goes",
  "/api/v1/bastions/enrol": "its token says how often",
  "/api/v1/bastions/{name}/revoke": "what is revoked stays so",
  "/api/v1/servers/{name}/revoke": "what is revoked stays so",
  "/api/v1/servers/{name}/move": "it sets",
  "/api/v1/machines/{machine}/cancel": "what is cancelled stays so",
  "/api/v1/machines/{machine}/boot-options": "it sets",
  "/api/v1/machines/{machine}/wake": "who is awake is not woken",
  "/api/v1/images/uploads/{upload}": "each piece says where it goes",
  "/api/v1/images/pull": "what is there is not fetched again",
  "/api/v1/images/{name}/verify": "it reads",
  "/ui/device": "it sets",
  "/ui/logout": "what is ended stays so",
  "/ui/sessions/end": "what is ended stays so",
  "/ui/machines/{machine}/cancel": "what is cancelled stays so",
  "/ui/machines/{machine}/forget": "what is forgotten is not there the second time",
  "/ui/machines/{machine}/install":
    "a form without a key: the second is refused, an install being queued already",
  "/ui/tokens/revoke": "what is revoked stays so",
};

test("whatever makes something is done once for an Idempotency-Key", () => {
  const twice = routes.filter(({ method, once }) => method === "POST" && !once).map(({ path }) => path);
  expect(twice.sort()).toEqual(Object.keys(harmless).sort());
});

test("every route of the lab listener and of the metrics' says why it asks nobody who they are", () => {
  for (const [name, app] of Object.entries(listeners)) {
    const found = app.routes
      // What mends a path with a slash too many leads on to one of the others.
      .filter(({ path }) => path !== "*" && path !== "/*")
      .map(({ method, path }) => `${method} ${path}`);
    expect([...new Set(found)].sort()).toEqual(Object.keys(unproven[name] ?? {}).sort());
  }
});

test("a WebSocket is opened for whom the table says: for nobody without an identity", async () => {
  const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
  const headers = { ...upgrade, "sec-websocket-key": btoa("0123456789abcdef") };
  const ask = async (path: string) =>
    (await fetch(`https://127.0.0.1:${stack.port}${path}`, { headers, tls: { rejectUnauthorized: false } }))
      .status;
  for (const route of Object.keys(sockets))
    expect([route, await ask(route.slice("GET ".length).replace("{name}", "x"))]).toEqual([route, 401]);
  expect(await ask("/api/v1/something")).toBe(404);
});

test("a route anybody may call says what protects it instead", () => {
  expect(routes.filter((route) => route.permission === "public" && route.because === undefined)).toEqual([]);
});

test("without an identity, every guarded route is refused over the network", async () => {
  for (const { method, path, permission } of routes) {
    if (permission === "public") continue;
    const url = `https://127.0.0.1:${stack.port}${path.replaceAll(/\{\w+\}/g, "x")}`;
    const body = ["POST", "PUT", "PATCH"].includes(method)
      ? { body: "{}", headers: { "content-type": "application/json" } }
      : {};
    const response = await fetch(url, { method, ...body, tls: { rejectUnauthorized: false } });
    expect([`${method} ${path}`, response.status]).toEqual([`${method} ${path}`, 401]);
  }
});

test("the table in docs/security.md is the one the routes make; UPDATE_GOLDENS=1 writes it", () => {
  const file = join(import.meta.dir, "../../docs/security.md");
  const text = readFileSync(file, "utf8");
  const head = text.slice(0, text.indexOf("<!-- permissions -->") + "<!-- permissions -->\n".length);
  const tail = text.slice(text.indexOf("<!-- /permissions -->"));
  const table = (title: string, rows: Record<string, string>, prefix = "") =>
    [`\n| ${title} | needs |\n|---|---|`]
      .concat(Object.entries(rows).map(([route, why]) => `| \`${route}\` | ${prefix}${why} |`))
      .join("\n");
  const wanted = `${head}${[
    renderRouteAccess(routes),
    table("WebSocket", sockets),
    table("route of the lab listener", unproven.lab ?? {}, "anybody: "),
    table("route of the metrics listener", unproven.metrics ?? {}, "anybody: "),
  ].join("\n")}\n${tail}`;
  if (process.env.UPDATE_GOLDENS === "1") writeFileSync(file, wanted);
  else expect(text).toBe(wanted);
});
