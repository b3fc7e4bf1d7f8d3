import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { auditRecord } from "../../src/access/api.ts";
import { buildExecutable } from "../lab/artifacts.ts";
import { executable } from "../lab/bastion.ts";
import { createStack, type Stack } from "./stack.ts";

let stack: Stack;
beforeAll(async () => {
  await buildExecutable();
  stack = createStack(1);
  await stack.startLabd("standalone");
  await stack.labctl("auth", "add-user", "olga", "--role", "operator");
  await stack.labctl("auth", "add-user", "vera", "--role", "viewer");
  await stack.labctl("auth", "add-user", "will");
  const role = {
    name: "worker-keeper",
    grants: ["machines:read", "machines:install"].map((permission) => ({
      effect: "allow",
      permission,
      labels: { role: "worker" },
    })),
  };
  await fetch("http://labctl/api/v1/roles", {
    unix: stack.socket,
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(role),
  });
  await stack.labctl("auth", "grant", "user/will", "worker-keeper");
  for (const name of ["olga", "vera", "will"]) {
    const token = (await stack.labctl("token", "create", "--kind", "login", "--user", name)).stdout.trim();
    expect((await as(name, "login", `127.0.0.1:${stack.port}`, "--token", token)).code).toBe(0);
  }
}, 60_000);
afterAll(() => stack.stop());

/** A user's command from a computer that has nothing of the host's but its address. */
async function as(name: string, ...words: string[]) {
  const env = { PATH: process.env.PATH ?? "", HOME: join(stack.directory, name) };
  const child = Bun.spawn([executable, ...words], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { out, err, code };
}

const install = (mac: string, name: string, role: string) => [
  ...["provision", "install", mac, name, "--role", role, "--os", "debian-12"],
  ...[
    "--ssh-key",
    `ssh-ed25519 ${Buffer.from(`\0\0\0\x0bssh-ed25519\0\0\0 ${"k".repeat(32)}`).toString("base64")}`,
  ],
];

async function audited(action: string) {
  const { stdout } = await stack.labctl("audit", "list", "--action", action, "-o", "json");
  return auditRecord.array().parse(JSON.parse(stdout));
}

test("an operator far away installs, lists and forgets machines, and the audit says who did", async () => {
  const mac = "52:54:00:00:00:01";
  expect(await as("olga", ...install(mac, "web1", "worker"))).toMatchObject({ code: 0 });
  expect((await as("olga", "provision", "list")).out).toMatch(/52:54:00:00:00:01 +web1 +queued/);
  expect((await as("olga", "image", "list")).code).toBe(0);
  expect((await as("olga", "provision", "logs", "web1")).code).toBe(0);
  expect((await as("olga", "provision", "forget", "web1")).code).toBe(0);
  expect((await audited("machines:install"))[0]).toMatchObject({
    actor: "user/olga",
    from: "127.0.0.1",
    resource: `machine/${mac}`,
    result: "allowed",
    detail: "web1: debian-12, worker",
  });
  expect((await audited("machines:forget"))[0]).toMatchObject({ actor: "user/olga", result: "allowed" });
});

test("a viewer sees machines and changes none; each refusal is in the audit", async () => {
  expect((await as("vera", "provision", "list")).code).toBe(0);
  const refused = await as("vera", ...install("52:54:00:00:00:02", "web2", "worker"));
  expect(refused).toMatchObject({ code: 4, err: expect.stringContaining("may not machines:install") });
  expect((await audited("machines:install"))[0]).toMatchObject({ actor: "user/vera", result: "refused" });
  expect((await as("vera", "image", "remove", "x")).code).toBe(4);
});

test("who may install workers alone neither makes an infra host nor takes one, and sees workers alone", async () => {
  await as("olga", ...install("52:54:00:00:00:03", "infra1", "infra"));
  expect((await as("will", ...install("52:54:00:00:00:04", "infra2", "infra"))).code).toBe(4);
  expect((await as("will", ...install("52:54:00:00:00:03", "mine", "worker"), "--replace")).code).toBe(4);
  expect((await as("will", ...install("52:54:00:00:00:04", "worker1", "worker"))).code).toBe(0);
  const { out } = await as("will", "provision", "list", "-o", "json");
  expect(JSON.parse(out).map(({ name }: { name: string }) => name)).toEqual(["worker1"]);
  expect((await as("will", "provision", "logs", "infra1", "-f")).code).toBe(4);
});

test("an image that fails to be pulled is a failed action of whoever asked", async () => {
  expect((await as("olga", "image", "pull", "amiga-3")).code).not.toBe(0);
  expect((await audited("images:pull"))[0]).toMatchObject({ actor: "user/olga", result: "failed" });
});
