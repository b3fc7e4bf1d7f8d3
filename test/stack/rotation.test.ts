import { afterAll, beforeAll, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { buildExecutable } from "../lab/artifacts.ts";
import { createStack, type Stack, until } from "./stack.ts";

let stack: Stack;
const stateSchema = z.object({ certificatePem: z.string(), keyPem: z.string(), authoritiesPem: z.string() });
const stateOf = (name: string) =>
  stateSchema.parse(JSON.parse(readFileSync(join(stack.stateOf(name), "agent.json"), "utf8")));
const rootsOf = (pem: string) =>
  pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
const isOf = (certificatePem: string, rootPem: string | undefined) =>
  new X509Certificate(certificatePem).verify(new X509Certificate(rootPem ?? "").publicKey);
const roots = async () =>
  z
    .array(
      z.object({
        pem: z.string(),
        state: z.string(),
        agents: z.array(z.string()),
        users: z.array(z.string()),
      }),
    )
    .parse(JSON.parse((await stack.labctl("ca", "show", "-o", "json")).stdout));

beforeAll(async () => {
  await buildExecutable();
  stack = createStack();
  await stack.startLabd();
  for (const name of ["here", "away", "gone"]) await stack.join(name);
  stack.startAgent("here");
  await stack.connected("here");
  await stack.labctl("auth", "add-user", "alice", "--role", "operator");
  const token = (await stack.labctl("token", "create", "--kind", "login", "--user", "alice")).stdout.trim();
  await stack.as("alice", "login", `127.0.0.1:${stack.port}`, "--token", token);
}, 60_000);
afterAll(() => stack.stop());

test("a new root signs, a connected agent moves over by itself, and what it runs goes on", async () => {
  const before = stateOf("here");
  const stream = stack.spawn("exec", "server/here", "--", "sh", "-c", "sleep 2; echo still here");
  expect((await stack.labctl("ca", "rotate")).code).toBe(0);
  await until("the agent has a certificate of the new root", () => {
    const { certificatePem, authoritiesPem } = stateOf("here");
    return rootsOf(authoritiesPem).length === 2 && isOf(certificatePem, rootsOf(authoritiesPem)[0]);
  });
  expect(await new Response(stream.stdout).text()).toBe("still here\n");
  expect((await roots()).map(({ state, agents }) => [state, agents])).toEqual([
    ["active", ["here"]],
    ["trusted", ["away", "gone"]],
  ]);
  // What it had before opens nothing any more.
  const refused = await fetch(`https://127.0.0.1:${stack.port}/api/v1/whoami`, {
    tls: { ca: stateOf("here").authoritiesPem, cert: before.certificatePem, key: before.keyPem },
  });
  expect(await refused.text()).toContain("a newer one took its place");
});

test("a user's context takes the new root with their next command", async () => {
  expect((await stack.as("alice", "whoami")).stdout).toContain("user/alice");
  const identity = stateSchema.parse(
    JSON.parse(readFileSync(join(stack.directory, "alice/.labctl/identity.json"), "utf8")),
  );
  expect(isOf(identity.certificatePem, rootsOf(identity.authoritiesPem)[0])).toBe(true);
  expect((await roots()).map(({ users }) => users)).toEqual([["alice"], []]);
  expect((await stack.as("alice", "exec", "server/here", "--", "echo", "hi")).stdout).toBe("hi\n");
});

test("the old root is not retired while agents need it, and the refusal names them", async () => {
  const refused = await stack.labctl("ca", "retire");
  expect(refused.code).toBe(5);
  expect(refused.stderr).toContain("still needed by server/away, server/gone");
});

test("an agent that was away during the rotation knows the old root alone, and is back by itself", async () => {
  expect(rootsOf(stateOf("away").authoritiesPem)).toHaveLength(1);
  stack.startAgent("away");
  await stack.connected("away");
  await until("it moved over", async () => (await roots())[1]?.agents.join() === "gone");
  expect((await stack.labctl("exec", "server/away", "--", "echo", "back")).stdout).toBe("back\n");
});

test("after the old root is retired, its certificates are refused and the others go on", async () => {
  expect((await stack.labctl("ca", "retire", "--force")).code).toBe(0);
  expect(await roots()).toHaveLength(1);
  await until("the agents forget the old root", () =>
    ["here", "away"].every((name) => rootsOf(stateOf(name).authoritiesPem).length === 1),
  );
  stack.startAgent("gone");
  await until(
    "the agent is refused",
    () =>
      stack.log("gone").includes("self-signed certificate in certificate chain") ||
      stack.log("gone").includes("connection closed"),
  );
  for (const name of ["here", "away"])
    expect((await stack.labctl("exec", `server/${name}`, "--", "true")).code).toBe(0);
  expect((await stack.as("alice", "whoami")).code).toBe(0);
  const { certificatePem, keyPem } = stateOf("gone");
  const answer = await fetch(`https://127.0.0.1:${stack.port}/api/v1/servers`, {
    tls: { ca: stateOf("here").authoritiesPem, cert: certificatePem, key: keyPem },
  });
  expect(answer.status).toBe(401);
  expect((await stack.labctl("get", "servers")).stdout).toMatch(/^gone +disconnected/m);
});
