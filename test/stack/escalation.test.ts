import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { deviceLogin } from "../../src/access/api.ts";
import { createSigningRequest } from "../../src/access/service.ts";
import { buildExecutable } from "../lab/artifacts.ts";
import { createStack, type Stack } from "./stack.ts";

// Whoever may do a little makes no more of it.

let stack: Stack;
beforeAll(async () => {
  await buildExecutable();
  stack = createStack();
  await stack.startLabd();
  await stack.join("n1");
  stack.startAgent("n1");
  await stack.connected("n1");
}, 60_000);
afterAll(() => stack.stop());

/** A request of the local administrator. */
const admin = (path: string, init: RequestInit = {}) =>
  fetch(`http://labctl${path}`, {
    ...init,
    headers: { "content-type": "application/json" },
    unix: stack.socket,
  });
const put = (path: string, body: unknown) => admin(path, { method: "PUT", body: JSON.stringify(body) });

async function loginToken(user: string): Promise<string> {
  return (await stack.labctl("token", "create", "--kind", "login", "--user", user)).stdout.trim();
}
const logIn = (user: string, token: string) =>
  stack.as(user, "login", `127.0.0.1:${stack.port}`, "--token", token);
async function newUser(name: string, role: string): Promise<void> {
  await stack.labctl("auth", "add-user", name, "--role", role);
  expect((await logIn(name, await loginToken(name))).code).toBe(0);
}

const identity = z.object({ keyPem: z.string(), certificatePem: z.string(), authoritiesPem: z.string() });
function tlsOf(user: string) {
  const text = readFileSync(join(stack.directory, user, ".labctl/identity.json"), "utf8");
  const { keyPem: key, certificatePem: cert, authoritiesPem: ca } = identity.parse(JSON.parse(text));
  return { key, cert, ca };
}

test("who may read logs reads those of the host, and not its other files", async () => {
  await newUser("vera", "viewer");
  for (const path of [
    "/etc/shadow",
    "/var/log/../../etc/shadow",
    "/var/logs",
    join(stack.stateOf("n1"), "agent.json"),
  ]) {
    expect(await stack.as("vera", "logs", "server/n1", "--file", path)).toMatchObject({
      code: 4,
      stdout: "",
      stderr: expect.stringContaining("servers:exec"),
    });
  }
  expect((await stack.as("vera", "logs", "server/n1", "--file", "/var/log/dpkg.log", "-n", "1")).code).toBe(
    0,
  );
  expect((await stack.labctl("logs", "server/n1", "--file", "/etc/passwd", "-n", "1")).code).toBe(0);
}, 30_000);

test("who may make users, and not give roles, makes none that has one, and becomes nobody", async () => {
  const grants = [
    { effect: "allow", permission: "users:*" },
    { effect: "allow", permission: "tokens:*" },
  ];
  expect((await put("/api/v1/roles", { name: "helpdesk", grants })).status).toBe(204);
  await stack.labctl("auth", "add-user", "root2", "--role", "admin");
  await newUser("hugo", "helpdesk");
  const as = (...words: string[]) => stack.as("hugo", ...words);
  expect(await as("auth", "add-user", "plain")).toMatchObject({ code: 0 });
  expect(await as("auth", "add-user", "boss", "--role", "admin")).toMatchObject({ code: 4 });
  expect(await as("token", "create", "--kind", "api", "--role", "admin")).toMatchObject({ code: 4 });
  expect(await as("token", "create", "--kind", "login", "--user", "root2")).toMatchObject({
    code: 4,
    stdout: "",
  });
  const { csrPem } = await createSigningRequest("hugo");
  const asked = await admin("/api/v1/login/device", {
    method: "POST",
    body: JSON.stringify({ csr: csrPem, host: "desk" }),
  });
  const { user_code: code } = deviceLogin.parse(await asked.json());
  expect(await as("auth", "approve", code, "--user", "root2")).toMatchObject({ code: 4 });
  expect((await stack.labctl("get", "users", "-o", "json")).stdout).not.toContain("boss");
}, 30_000);

test("a login token ends with its user, and none is made for nobody", async () => {
  await stack.labctl("auth", "add-user", "gone", "--role", "viewer");
  const token = await loginToken("gone");
  await stack.labctl("auth", "remove-user", "gone");
  expect(await logIn("gone", token)).toMatchObject({ code: 4 });
  await stack.labctl("auth", "add-user", "gone", "--role", "admin");
  expect(await logIn("gone", token)).toMatchObject({ code: 4 });
  expect(await stack.labctl("token", "create", "--kind", "login", "--user", "nobdy")).toMatchObject({
    code: 3,
  });
}, 30_000);

test("a browser's session is no way to a certificate, which would outlive it", async () => {
  await newUser("wilma", "viewer");
  const { path } = z.object({ path: z.string() }).parse(
    await (
      await fetch(`https://127.0.0.1:${stack.port}/api/v1/sessions`, {
        method: "POST",
        tls: tlsOf("wilma"),
      })
    ).json(),
  );
  const { ca } = tlsOf("wilma");
  const opened = await fetch(`https://127.0.0.1:${stack.port}${path}`, { tls: { ca } });
  const [cookie = ""] = (opened.headers.get("set-cookie") ?? "").split(";");
  expect(cookie).toContain("session=");
  const { csrPem } = await createSigningRequest("wilma");
  const renewed = await fetch(`https://127.0.0.1:${stack.port}/api/v1/renew`, {
    method: "POST",
    headers: { cookie, origin: `https://127.0.0.1:${stack.port}`, "content-type": "application/json" },
    body: JSON.stringify({ csr: csrPem }),
    tls: { ca },
  });
  expect(renewed.status).toBe(409);
}, 30_000);
