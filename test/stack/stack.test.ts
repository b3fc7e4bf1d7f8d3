import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { buildExecutable } from "../lab/artifacts.ts";
import { createStack, type Stack, until } from "./stack.ts";

let stack: Stack;
let labd: Bun.Subprocess;
const connected = (name: string) => stack.connected(name);

beforeAll(async () => {
  await buildExecutable();
  stack = createStack();
  labd = await stack.startLabd();
  for (const name of ["n1", "n2"]) {
    expect((await stack.join(name)).stdout).toBe(`enrolled as server/${name}\n`);
    stack.startAgent(name);
  }
  await Promise.all([connected("n1"), connected("n2")]);
}, 60_000);
afterAll(() => stack.stop());

test("a command's streams, exit code and signal come back", async () => {
  const ran = await stack.labctl("exec", "server/n1", "--", "sh", "-c", "echo out; echo err >&2; exit 3");
  expect(ran).toEqual({ code: 3, stdout: "out\n", stderr: "err\n" });
  expect((await stack.labctl("exec", "server/n1", "--", "sh", "-c", "kill -9 $$")).code).toBe(137);
});

test("many hosts: each line says whose it is, the summary who failed", async () => {
  await stack.labctl("label", "server/n1", "test=many");
  await stack.labctl("label", "server/n2", "test=many");
  const ran = await stack.labctl("exec", "test=many", "--", "sh", "-c", "echo here");
  expect(ran.stdout.split("\n").sort()).toEqual(["", "n1 | here", "n2 | here"]);
  expect(ran.stderr).toBe("2 of 2 succeeded\n");
});

test("megabytes arrive whole", async () => {
  const ran = await stack.labctl("exec", "server/n1", "--", "sh", "-c", "seq 1 300000");
  expect(ran.stdout).toBe(`${Array.from({ length: 300_000 }, (_, index) => index + 1).join("\n")}\n`);
});

test("logs of a file are read and followed", async () => {
  const file = join(stack.directory, "app.log");
  await Bun.write(file, "one\n");
  const follow = stack.spawn("logs", "server/n1", "--file", file, "-f");
  let seen = "";
  const reading = (async () => {
    for await (const chunk of follow.stdout) seen += Buffer.from(chunk).toString();
  })();
  await until("the first line", () => seen.includes("one"));
  await Bun.write(file, "one\ntwo\n");
  await until("the line that came later", () => seen.includes("two"));
  follow.kill();
  await reading;
});

test("a client that goes away ends its command", async () => {
  const mark = `labctl-mark-${process.pid}`;
  const running = () =>
    Bun.spawnSync(["pgrep", "-f", `sleep 600 #${mark}`])
      .stdout.toString()
      .trim() !== "";
  const client = stack.spawn("exec", "server/n2", "--", "sh", "-c", `sleep 600 #${mark}`);
  await until("the command runs", running);
  client.kill("SIGKILL");
  await until("the command has ended", () => !running());
}, 30_000);

test("the key never leaves the host and is its owner's alone", () => {
  expect(statSync(join(stack.stateOf("n1"), "agent.json")).mode & 0o777).toBe(0o600);
});

test("of two agents that use one token, exactly one wins, and the loss is in the audit", async () => {
  const token = (await stack.labctl("token", "create", "--uses", "1", "--name", "twin")).stdout.trim();
  const [a, b] = await Promise.all([stack.join("twin-a", token), stack.join("twin-b", token)]);
  expect([a.code, b.code].sort()).toEqual([0, 4]);
  expect((await stack.labctl("audit", "list", "--result", "refused")).stdout).toContain(
    "this token is not accepted",
  );
});

test("a certificate of another authority is as good as none", async () => {
  const stranger = createStack(1);
  try {
    await stranger.startLabd();
    const state = JSON.parse(readFileSync(join(stack.stateOf("n1"), "agent.json"), "utf8"));
    const tls = { rejectUnauthorized: false, cert: state.certificatePem, key: state.keyPem };
    const response = await fetch(`https://127.0.0.1:${stranger.port}/api/v1/servers`, { tls });
    expect(response.status).toBe(401);
  } finally {
    await stranger.stop();
  }
});

test("a labd that is not the token's own is not believed, and gets neither token nor key", async () => {
  const stranger = createStack(1);
  try {
    await stranger.startLabd();
    const token = (await stack.labctl("token", "create", "--uses", "1")).stdout.trim();
    const ran = await stranger.join("n9", token);
    expect(ran.code).toBe(4);
    expect(ran.stderr).toContain("is not the labd this token was made by");
    expect((await stranger.labctl("audit", "export")).stdout).not.toContain("agents:enrol");
  } finally {
    await stranger.stop();
  }
});

test("revoking one host cuts it off within a second; the other goes on", async () => {
  const stream = stack.spawn("exec", "server/n2", "--", "sh", "-c", "while :; do echo tick; sleep 0.1; done");
  const reader = stream.stdout.getReader();
  await reader.read();
  const at = Date.now();
  expect((await stack.labctl("agent", "revoke", "n2", "--because", "stolen")).code).toBe(0);
  await stream.exited;
  expect(Date.now() - at).toBeLessThan(1500);
  // The stolen key opens nothing any more.
  const state = JSON.parse(readFileSync(join(stack.stateOf("n2"), "agent.json"), "utf8"));
  const refused = await fetch(`https://127.0.0.1:${stack.port}/api/v1/whoami`, {
    tls: { ca: state.authoritiesPem, cert: state.certificatePem, key: state.keyPem },
  });
  expect(refused.status).toBe(401);
  expect(await refused.text()).toContain("it was revoked: stolen");
  expect((await stack.labctl("exec", "server/n1", "--", "true")).code).toBe(0);
});

test("kill -9 of labd: agents are back by themselves, nothing that was acknowledged is lost", async () => {
  const before = (await stack.labctl("audit", "export")).stdout.split("\n").length;
  const client = stack.spawn("exec", "server/n1", "--", "sh", "-c", "while :; do echo tick; sleep 0.1; done");
  await client.stdout.getReader().read();
  labd.kill("SIGKILL");
  expect(await client.exited).not.toBe(0);
  labd = await stack.startLabd();
  await connected("n1");
  expect((await stack.labctl("exec", "server/n1", "--", "echo", "back")).stdout).toBe("back\n");
  expect((await stack.labctl("audit", "verify")).stdout).toStartWith("whole:");
  expect((await stack.labctl("audit", "export")).stdout.split("\n").length).toBeGreaterThan(before);
}, 60_000);

test("a wrong key for the certificate authority is a clear refusal to start", async () => {
  const config = join(stack.directory, "wrong.yaml");
  await Bun.write(join(stack.directory, "wrong.key"), "11".repeat(32));
  await Bun.write(
    config,
    JSON.stringify({
      dataDir: join(stack.directory, "data"),
      adminSocket: join(stack.directory, "w.sock"),
      labd: {
        listen: "127.0.0.1",
        port: stack.port + 2,
        caKeyFile: join(stack.directory, "wrong.key"),
      },
    }),
  );
  const ran = await stack.labctl("labd", "run", "--config", config);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain("wrong.key does not open the certificate authority");
});

test("a user logs in with a one-time token and may do what their role allows, no more", async () => {
  await stack.labctl("auth", "add-user", "alice", "--role", "viewer");
  const token = (await stack.labctl("token", "create", "--kind", "login", "--user", "alice")).stdout.trim();
  const env = { PATH: process.env.PATH ?? "", HOME: join(stack.directory, "alice") };
  const as = (...words: string[]) =>
    Bun.spawnSync([join(import.meta.dir, "../../dist/labctl"), ...words], { env });
  expect(as("login", `127.0.0.1:${stack.port}`, "--token", token).stdout.toString()).toContain("as alice");
  expect(as("whoami").stdout.toString()).toContain("user/alice");
  expect(as("get", "servers").exitCode).toBe(0);
  const refused = as("exec", "server/n1", "--", "id");
  expect(refused.exitCode).toBe(4);
  expect(refused.stderr.toString()).toContain("user/alice may not servers:exec on server/n1");
  expect(as("login", `127.0.0.1:${stack.port}`, "--token", token).stderr.toString()).toContain(
    "not accepted",
  );
});

test("what an agent does as root is a fixed list, and its refusals are told", async () => {
  const unknown = await stack.labctl("operate", "server/n1", "rebot");
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining("did you mean 'reboot'?") });
  // Checked by the protocol's schema before anything is sent.
  const ran = await stack.labctl("operate", "server/n1", "read-smart", "--device", "/dev/../etc/shadow");
  expect(ran.code).toBe(2);
  expect((await stack.labctl("agent", "sudoers")).stdout).toContain(
    "NOPASSWD: /usr/bin/labctl agent host-operation reboot",
  );
});

test("no secret is in the audit, the logs or the database", async () => {
  const token = (await stack.labctl("token", "create", "--uses", "1")).stdout.trim();
  const [, , secret = ""] = token.split("_");
  const key = "5a".repeat(32);
  for (const file of ["labd.log", "data/labctl.sqlite", "data/labctl.sqlite-wal"]) {
    const text = readFileSync(join(stack.directory, file), "latin1");
    expect(text.includes(secret) || text.includes(key)).toBe(false);
  }
  expect((await stack.labctl("audit", "export")).stdout).not.toContain(secret);
});
