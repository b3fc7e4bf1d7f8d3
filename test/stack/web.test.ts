import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { buildExecutable } from "../lab/artifacts.ts";
import { createStack, type Stack } from "./stack.ts";

let stack: Stack;
beforeAll(async () => {
  await buildExecutable();
  stack = createStack();
  await stack.startLabd();
  await stack.labctl("auth", "add-user", "vera", "--role", "viewer");
}, 60_000);
afterAll(() => stack.stop());

/** As a browser would ask, minus what each test says. */
const ask = (path: string, init: RequestInit & { cookie?: string } = {}) =>
  fetch(path.startsWith("https:") ? path : `https://127.0.0.1:${stack.port}${path}`, {
    ...init,
    redirect: "manual",
    headers: { ...(init.cookie && { cookie: init.cookie }), ...init.headers },
    tls: { rejectUnauthorized: false },
  });
const link = async () => {
  const { stdout } = await stack.labctl("ui", "--print");
  // The certificate names localhost; the tests reach it by its address.
  return stdout.trim().replace("localhost", "127.0.0.1");
};
/** Follows a fresh link; the answer is the cookie as the browser sends it. */
async function logIn(): Promise<string> {
  const response = await ask(await link());
  expect(response.status).toBe(200);
  return (response.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
}
const post = (path: string, cookie: string, headers: Record<string, string>, body = "") =>
  ask(path, {
    method: "POST",
    cookie,
    body,
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
  });
const ours = { "sec-fetch-site": "same-origin" };

test("a link logs in once; its cookie is kept to this host, from scripts and from other sites", async () => {
  const url = await link();
  const first = await ask(url);
  expect(first.headers.get("set-cookie")).toMatch(
    /^__Host-labctl_session=[0-9A-Za-z]{43}; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
  );
  const again = await ask(url);
  expect([again.status, again.headers.get("set-cookie")]).toEqual([401, null]);
  expect(await again.text()).toContain("this link is not accepted");
});

test("a link that another site leads to, or a browser fetches ahead, is not used up", async () => {
  const url = await link();
  expect((await ask(url, { headers: { "sec-fetch-site": "cross-site" } })).status).toBe(403);
  expect((await ask(url, { headers: { "sec-purpose": "prefetch" } })).status).toBe(409);
  expect((await ask(url, { method: "HEAD" })).headers.get("set-cookie")).toBeNull();
  expect((await ask(url)).status).toBe(200);
});

test("a cookie is worth nothing once its session was left", async () => {
  const cookie = await logIn();
  expect((await ask("/api/v1/whoami", { cookie })).status).toBe(200);
  expect((await post("/ui/logout", cookie, ours)).status).toBe(303);
  const stolen = await ask("/api/v1/whoami", { cookie });
  expect([stolen.status, await stolen.text()]).toEqual([
    401,
    expect.stringContaining("your session has ended"),
  ]);
});

test("an administrator sees the sessions and ends one", async () => {
  const cookie = await logIn();
  const [newest] = JSON.parse((await stack.labctl("auth", "sessions", "-o", "json")).stdout);
  expect(newest).toMatchObject({ state: "open", from: "127.0.0.1" });
  expect((await stack.labctl("auth", "end-session", newest.id)).code).toBe(0);
  expect((await ask("/ui/sessions", { cookie })).status).toBe(401);
});

test("a change by cookie has to come from our own page", async () => {
  const cookie = await logIn();
  const attempts: Record<string, string>[] = [
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { origin: "https://evil.example" },
    { origin: "null" },
    {},
  ];
  for (const headers of attempts) {
    expect((await post("/ui/logout", cookie, headers)).status).toBe(403);
    const api = await ask("/api/v1/sessions/0", { method: "DELETE", cookie, headers });
    expect(api.status).toBe(403);
  }
  expect((await ask("/api/v1/whoami", { cookie })).status).toBe(200);
  expect((await post("/ui/logout", cookie, { origin: `https://127.0.0.1:${stack.port}` })).status).toBe(303);
});

test("a page's stream is no way around: nothing a browser says opens a command's WebSocket", async () => {
  const response = await ask("/api/v1/servers/n1/exec", {
    headers: {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      origin: "https://evil.example",
    },
  });
  expect(response.status).not.toBe(101);
});

test("without a session, or with a made-up one, the pages say how to log in", async () => {
  for (const cookie of ["", `__Host-labctl_session=${"A".repeat(43)}`]) {
    const response = await ask("/ui", { cookie });
    expect(response.status).toBe(401);
    const text = await response.text();
    expect(text).toContain("You are not logged in");
    expect(text).toContain("labctl ui");
  }
});

test("every page forbids what is not its own, and is not kept", async () => {
  const cookie = await logIn();
  for (const path of ["/ui/sessions", "/ui/nothing-here", "/ui/device"]) {
    const { headers } = await ask(path, { cookie });
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("content-security-policy")).not.toContain("unsafe");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  }
});

test("no secret of a link or a session is in the database", async () => {
  const url = await link();
  const cookie = await logIn();
  for (const secret of [url.split("/").at(-1) ?? "", cookie.split("=")[1] ?? ""]) {
    expect(secret).toHaveLength(43);
    for (const file of ["data/labctl.sqlite", "data/labctl.sqlite-wal", "labd.log"]) {
      expect((await Bun.file(join(stack.directory, file)).text()).includes(secret)).toBe(false);
    }
  }
});
