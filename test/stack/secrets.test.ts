import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { buildExecutable } from "../lab/artifacts.ts";
import { sshKey } from "../machines/room.ts";
import { createStack, type Stack } from "./stack.ts";

let stack: Stack;
beforeAll(async () => {
  await buildExecutable();
  stack = createStack();
  await stack.startLabd("standalone");
}, 60_000);
afterAll(() => stack.stop());

const records = async () =>
  (await stack.labctl("audit", "export")).stdout
    .trim()
    .split("\n")
    .map((line) =>
      z
        .looseObject({
          actor: z.string(),
          action: z.string(),
          resource: z.string(),
          result: z.string(),
          detail: z.string().optional(),
        })
        .parse(JSON.parse(line)),
    );

test("no secret that was used is in the audit, the logs, or the database", async () => {
  const hash = `$6$saltsalt$${"x".repeat(86)}`;
  const secrets = new Map<string, string>([
    ["the key of the certificate authority", "5a".repeat(32)],
    ["a password's hash", hash],
  ]);
  const keep = (what: string, token: string) => {
    const [, , secret = ""] = token.trim().split("_");
    expect([what, secret.length]).toEqual([what, 43]);
    secrets.set(what, secret);
    return token.trim();
  };
  const create = async (what: string, ...words: string[]) =>
    keep(what, (await stack.labctl("token", "create", ...words)).stdout);

  const join1 = await create("a join token", "--uses", "1", "--name", "n1");
  expect((await stack.join("n1", join1)).code).toBe(0);
  await stack.join("n2", join1);
  stack.startAgent("n1");
  await stack.connected("n1");
  await create("a bastion's join token", "--bastion", "--name", "rack1");
  await stack.labctl("auth", "add-user", "alice", "--role", "operator");
  const login = await create("a login token", "--kind", "login", "--user", "alice");
  const at = `127.0.0.1:${stack.port}`;
  expect((await stack.as("alice", "login", at, "--token", login)).code).toBe(0);
  await stack.as("alice", "login", at, "--token", login);
  const api = await create("an API token", "--kind", "api", "--role", "viewer");
  const ask = (token: string) =>
    fetch(`https://${at}/api/v1/servers`, {
      headers: { authorization: `Bearer ${token}` },
      tls: { rejectUnauthorized: false },
    });
  expect((await ask(api)).status).toBe(200);
  const forged = `labctl_api_${"F".repeat(43)}`;
  secrets.set("a token nobody made", "F".repeat(43));
  expect((await ask(forged)).status).toBe(401);
  for (const [what, value] of [
    ["an environment variable", "s3cret-in-the-environment"],
    ["an argument", "s3cret-in-an-argument"],
  ] as const) {
    secrets.set(what, value);
    const env = what === "an argument" ? [] : ["--env", `PASSWORD=${value}`];
    const argument = what === "an argument" ? [value] : ["x"];
    expect((await stack.labctl("exec", "server/n1", ...env, "--", "true", ...argument)).code).toBe(0);
  }
  const link = (await stack.labctl("ui", "--no-open")).stdout;
  const [, secret = ""] = /labctl_link_(\w{43})|[#?/=](\w{40,})\b/.exec(link) ?? [];
  if (secret !== "") secrets.set("the link of a page", secret);

  const spec = join(stack.directory, "spec.yaml");
  await Bun.write(spec, JSON.stringify({ rootPasswordHash: hash, sshKeys: [sshKey] }));
  const mac = "52:54:00:00:00:01";
  const queued = await stack.labctl(
    ...["provision", "install", mac, "node1", "--os", "debian-12", "--spec", spec],
  );
  expect(queued.stderr).toBe("");

  const places = new Map<string, string>([
    ["the audit", (await stack.labctl("audit", "export")).stdout],
    ["the daemon's log over the API", (await stack.labctl("logs", "bastion", "-n", "5000")).stdout],
    ["labd.log", stack.log("labd")],
    ["n1.log", stack.log("n1")],
  ]);
  for (const file of readdirSync(join(stack.directory, "data")))
    if (file.startsWith("labctl.sqlite"))
      places.set(file, readFileSync(join(stack.directory, "data", file), "latin1"));
  expect(places.size).toBeGreaterThan(5);
  for (const [place, text] of places) {
    expect([place, text.length > 0 || place.endsWith("-shm")]).toEqual([place, true]);
    for (const [what, value] of secrets) {
      // The description of an install holds what it sets, as /etc/shadow does.
      if (what === "a password's hash" && place.startsWith("labctl.sqlite")) continue;
      expect([what, place, text.includes(value)]).toEqual([what, place, false]);
    }
  }
}, 60_000);

test("what is refused is told like what is allowed, with who, from where and why", async () => {
  const all = await records();
  const told = (action: string, result: string) =>
    all.filter((record) => record.action === action && record.result === result);
  expect(told("access:identify", "refused")[0]).toMatchObject({
    actor: "anonymous",
    from: "127.0.0.1",
    resource: "/api/v1/servers",
    detail: expect.stringContaining("not accepted"),
  });
  expect(told("agents:enrol", "refused").length).toBeGreaterThan(0);
  expect(told("machines:install", "allowed").length).toBe(1);
  for (const record of all)
    expect(Object.keys(record)).toEqual(
      expect.arrayContaining(["seq", "at", "from", "duration", "requestId"]),
    );
});

test("a command is told when it starts and when it ended, and one that could not start, too", async () => {
  expect((await stack.labctl("exec", "server/n1", "--", "sh", "-c", "sleep 1; exit 3")).code).toBe(3);
  await stack.labctl("exec", "server/nowhere", "--", "true");
  const told = (await records()).filter(({ action }) => action === "servers:exec").slice(-3);
  expect(told.map(({ resource, result, detail }) => [resource, result, detail])).toEqual([
    ["server/n1", "allowed", "sh"],
    ["server/n1", "allowed", "ended: exit code 3"],
    ["server/nowhere", "failed", "there is no server 'nowhere'"],
  ]);
  expect(Number(told[1]?.duration)).toBeGreaterThanOrEqual(1000);
  expect((await stack.labctl("audit", "verify")).stdout).toStartWith("whole:");
});
