import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { buildExecutable } from "../lab/artifacts.ts";
import { createRelay, createStack, type Relay, type Stack, until } from "./stack.ts";

let stack: Stack;
let labd: Bun.Subprocess;
let agent: Bun.Subprocess;
const relays: Relay[] = [];
beforeAll(async () => {
  await buildExecutable();
  stack = createStack();
  labd = await stack.startLabd();
  await stack.join("n1");
  agent = stack.startAgent("n1");
  await stack.connected("n1");
}, 60_000);
afterAll(async () => {
  await stack.stop();
  for (const relay of relays) relay.stop();
});

const stateOf = (name: string) =>
  z
    .object({
      server: z.string(),
      certificatePem: z.string(),
      keyPem: z.string(),
      authoritiesPem: z.string(),
    })
    .parse(JSON.parse(readFileSync(join(stack.stateOf(name), "agent.json"), "utf8")));
const status = async (name: string) =>
  z
    .looseObject({ state: z.string(), server: z.string(), problem: z.string().optional() })
    .parse(JSON.parse((await stack.onHost(name, "status", "-o", "json")).stdout));
const disconnected = (name: string) =>
  until(`server/${name} is disconnected`, async () =>
    new RegExp(`^${name} +disconnected`, "m").test((await stack.labctl("get", "servers")).stdout),
  );

test("the agent says how it stands, on the host itself", async () => {
  await stack.labctl("label", "server/n1", "site=a");
  await until("the label is known there", async () =>
    JSON.stringify(await status("n1")).includes('"site":"a"'),
  );
  expect(await status("n1")).toMatchObject({
    state: "connected",
    name: "n1",
    server: `https://127.0.0.1:${stack.port}`,
    ignored: 0,
    pid: agent.pid,
  });
  await stack.join("n2");
  const idle = await stack.onHost("n2", "status");
  expect(idle.code).toBe(3);
  expect(idle.stdout).toContain("not running");
});

test("a renewed certificate takes the place of the one before, which opens nothing any more", async () => {
  const before = stateOf("n1");
  expect((await stack.onHost("n1", "renew")).stdout).toStartWith("renewed: good until ");
  const after = stateOf("n1");
  expect(after.keyPem).not.toBe(before.keyPem);
  const ask = async ({ certificatePem, keyPem, authoritiesPem }: typeof before) =>
    (
      await fetch(`https://127.0.0.1:${stack.port}/api/v1/whoami`, {
        tls: { ca: authoritiesPem, cert: certificatePem, key: keyPem },
      })
    ).text();
  expect(await ask(after)).toContain("agent/n1");
  await until("the old one is taken back", async () =>
    (await ask(before)).includes("a newer one took its place"),
  );
  expect((await stack.labctl("exec", "server/n1", "--", "echo", "on")).stdout).toBe("on\n");
  expect(stack.log("n1").match(/agent is connected/g)).toHaveLength(1);
  const idle = await stack.onHost("n2", "renew");
  expect(idle).toMatchObject({ code: 8, stderr: expect.stringContaining("the agent does not run") });
});

test("a copied certificate does not push its host out: the one that is connected stays, and it is told", async () => {
  const running = stack.spawn("exec", "server/n1", "--", "sh", "-c", "sleep 4; hostname; echo undisturbed");
  cpSync(join(stack.stateOf("n1"), "agent.json"), join(stack.stateOf("copy"), "agent.json"));
  const copy = stack.startAgent("copy");
  await until("the copy is refused", () =>
    stack.log("copy").includes("another agent uses this host's certificate"),
  );
  expect(stack.log("copy")).toContain("server/n1 is connected already, from 127.0.0.1");
  expect(stack.log("labd")).toContain("another agent with this certificate is connected");
  const audit = await stack.labctl("audit", "list", "--action", "agents:connect", "--result", "refused");
  expect(audit.stdout).toContain("server/n1");
  expect(await new Response(running.stdout).text()).toContain("undisturbed");
  copy.kill();
  await copy.exited;
  expect((await stack.labctl("exec", "server/n1", "--", "true")).code).toBe(0);
}, 30_000);

test("a token that was used is of no use again, whoever replays it", async () => {
  const token = (await stack.labctl("token", "create", "--uses", "1", "--name", "once")).stdout.trim();
  expect((await stack.join("once", token)).code).toBe(0);
  const replayed = await stack.join("twice", token);
  expect(replayed).toMatchObject({ code: 4, stderr: expect.stringContaining("this token is not accepted") });
  expect(
    (await stack.labctl("audit", "list", "--action", "agents:enrol", "--result", "refused")).stdout,
  ).toContain("this token is not accepted");
});

test("a frozen agent is found out by its silence, and is back when it thaws", async () => {
  agent.kill("SIGSTOP");
  try {
    await disconnected("n1");
  } finally {
    agent.kill("SIGCONT");
  }
  expect(stack.log("labd")).toContain("the agent fell silent");
  await stack.connected("n1");
}, 30_000);

test("a frozen labd is found out by its silence, and agents are back when it thaws", async () => {
  labd.kill("SIGSTOP");
  try {
    await until("the agent notices", async () => (await status("n1")).state === "reconnecting");
    expect(stack.log("n1")).toContain("labd fell silent");
  } finally {
    labd.kill("SIGCONT");
  }
  await stack.connected("n1");
  expect((await status("n1")).state).toBe("connected");
}, 60_000);

test("a labd that stops says so: agents wait as long as it said, then are back", async () => {
  labd.kill("SIGTERM");
  await labd.exited;
  await until("the agent knows", () => stack.log("n1").includes("labd stops"));
  expect((await status("n1")).state).toBe("reconnecting");
  const at = Date.now();
  labd = await stack.startLabd();
  await stack.connected("n1");
  expect(Date.now() - at).toBeLessThan(10_000);
}, 30_000);

test("an agent is moved to another address of labd, and to none that is not labd's", async () => {
  const other = await createRelay(stack.port);
  relays.push(other);
  const to = `127.0.0.1:${other.port}`;
  expect((await stack.labctl("agent", "move", "server/n1", "--to", to)).stdout).toBe(
    `server/n1 goes to https://${to}\n`,
  );
  await until("it is there", async () => (await status("n1")).server === `https://${to}`);
  await stack.connected("n1");

  const nobody = await stack.labctl("agent", "move", "site=a", "--to", "127.0.0.1:1");
  expect(nobody).toMatchObject({ code: 7, stderr: expect.stringContaining("server/n1 stays: ") });
  const stranger = createStack(1);
  try {
    await stranger.startLabd();
    const refused = await stack.labctl("agent", "move", "server/n1", "--to", `127.0.0.1:${stranger.port}`);
    expect(refused.code).toBe(7);
    expect(refused.stderr).toContain("certificate");
  } finally {
    await stranger.stop();
  }
  expect((await status("n1")).server).toBe(`https://${to}`);
  expect((await stack.labctl("exec", "server/n1", "--", "true")).code).toBe(0);
}, 60_000);

test("an agent that cannot reach the address it was moved to goes back where it was", async () => {
  agent.kill();
  await agent.exited;
  const file = join(stack.stateOf("n1"), "agent.json");
  const state = JSON.parse(readFileSync(file, "utf8"));
  const home = `https://127.0.0.1:${stack.port}`;
  await Bun.write(file, JSON.stringify({ ...state, server: "https://127.0.0.1:1", previousServer: home }));
  agent = stack.startAgent("n1");
  await stack.connected("n1");
  expect((await status("n1")).server).toBe(home);
  expect(stack.log("n1")).toContain(`back at ${home}`);
}, 30_000);

test("a user who is removed is cut off from what they began within a second", async () => {
  await stack.labctl("auth", "add-user", "mallory", "--role", "operator");
  const token = (await stack.labctl("token", "create", "--kind", "login", "--user", "mallory")).stdout.trim();
  await stack.as("mallory", "login", `127.0.0.1:${stack.port}`, "--token", token);
  const stream = stack.as("mallory", "exec", "server/n1", "--", "sleep", "60");
  await until("it runs", () =>
    stack.labctl("get", "servers").then(() => Bun.spawnSync(["pgrep", "-x", "sleep"]).exitCode === 0),
  );
  const at = Date.now();
  await stack.labctl("auth", "remove-user", "mallory");
  const ended = await stream;
  expect(Date.now() - at).toBeLessThan(2500);
  expect(ended).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("it was revoked: the user was removed"),
  });
});

test("what a host is and how it is: facts, disks and sensors, and where a tool is missing, its name", async () => {
  await until("the facts are there", async () =>
    (await stack.labctl("describe", "server/n1")).stdout.includes("INVENTORY"),
  );
  const { stdout } = await stack.labctl("describe", "server/n1", "-o", "json");
  const detail = z
    .object({
      vitals: z.object({
        uptime: z.number(),
        load: z.array(z.number()),
        disks: z.array(z.object({ mount: z.string() })),
      }),
      health: z.object({ disks: z.object({ missing: z.string().optional() }), sensors: z.object({}) }),
      facts: z.object({ cpu: z.object({ threads: z.number() }) }),
      history: z.array(z.object({ what: z.string() })),
    })
    .parse(JSON.parse(stdout));
  expect(detail.vitals.disks.length).toBeGreaterThan(0);
  expect(detail.facts.cpu.threads).toBe(availableParallelism());
  if (!existsSync("/usr/sbin/smartctl"))
    expect(detail.health.disks.missing).toContain("install smartmontools");
  expect(detail.history.at(-1)?.what).toStartWith("enrolled with token/");
});

test("a change of the hardware is in the host's history, in words", async () => {
  const database = new Database(join(stack.directory, "data/labctl.sqlite"));
  const { facts } = z
    .object({ facts: z.string() })
    .parse(database.query("SELECT facts FROM servers WHERE name = 'n1'").get());
  const less = { ...JSON.parse(facts), memory: { totalBytes: 2 ** 30, dimms: [] } };
  database.query("UPDATE servers SET facts = ? WHERE name = 'n1'").run(JSON.stringify(less));
  database.close();
  // labd reads its records at its start, and the agent tells its facts when it connects.
  labd.kill("SIGTERM");
  await labd.exited;
  labd = await stack.startLabd();
  await stack.connected("n1");
  await until("the change is told", async () =>
    /memory (grew|doubled): /.test((await stack.labctl("describe", "server/n1")).stdout),
  );
}, 30_000);

test("an agent that leaves ends, and its host is a stranger", async () => {
  expect((await stack.onHost("n1", "leave")).code).toBe(0);
  expect(await agent.exited).toBe(0);
  await disconnected("n1");
  expect((await stack.onHost("n1", "status")).stderr).toContain("this host is not enrolled");
});
