import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { buildExecutable } from "../lab/artifacts.ts";
import { executable } from "../lab/bastion.ts";
import { bearer, inventory, json, sshKey } from "../machines/room.ts";
import { createStack, type Ran, type Stack, until } from "./stack.ts";

const mac = "52:54:00:00:00:01";
let stack: Stack;
let labd: Bun.Subprocess;
let bastion: Bun.Subprocess;
let home: string;
let httpPort: number;

/** A command on the bastion's own host. */
async function there(...words: string[]): Promise<Ran> {
  const child = Bun.spawn([executable, ...words], {
    env: { PATH: process.env.PATH ?? "", HOME: home, LABCTL_SOCKET: join(home, "labctl.sock") },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

async function startBastion(): Promise<Bun.Subprocess> {
  const child = Bun.spawn([executable, "bastion", "run", "--config", join(home, "config.yaml")], {
    env: { PATH: process.env.PATH ?? "", HOME: home },
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(join(home, "bastion.log")),
  });
  await until("the bastion answers", async () => (await there("provision", "list")).code === 0);
  return child;
}

/** A request of a machine in the bastion's lab. */
const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${httpPort}${path}`, init);

const machines = z.array(
  z.looseObject({ mac: z.string(), state: z.string(), bastion: z.string().optional() }),
);
/** What labd knows of the machine. */
async function seen(): Promise<string | undefined> {
  const list = machines.parse(JSON.parse((await stack.labctl("provision", "list", "-o", "json")).stdout));
  const found = list.find((each) => each.mac === mac);
  return found && `${found.state} at ${found.bastion}`;
}
const log = z.looseObject({
  stages: z.array(z.looseObject({ name: z.string(), state: z.string() })),
  log_lines: z.array(z.looseObject({ seq: z.number(), text: z.string() })),
  lost: z.number(),
});
const logOf = async (word = mac) =>
  log.parse(JSON.parse((await stack.labctl("provision", "logs", word, "-o", "json")).stdout));

const order = (...words: string[]) =>
  there(
    ...["provision", "install", mac, "node1", "--os", "debian-12", "--role", "worker"],
    ...["--ssh-key", sshKey, ...words],
  );

/** Boots the machine and fetches its install data. */
async function claim(): Promise<{ token: string; preseed: string }> {
  const script = await (await ask(`/dispatch?mac=${mac}&uuid=&serial=&platform=efi&arch=x86_64`)).text();
  const [, token = ""] = /\/install\/([\w-]+)\//.exec(script) ?? [];
  expect(token).not.toBe("");
  return { token, preseed: await (await ask(`/install/${token}/preseed.cfg`)).text() };
}

beforeAll(async () => {
  await buildExecutable();
  stack = createStack();
  home = join(stack.directory, "bastion");
  httpPort = stack.port + 20_000;
  mkdirSync(home);
  writeFileSync(
    join(home, "config.yaml"),
    JSON.stringify({
      dataDir: join(home, "data"),
      adminSocket: join(home, "labctl.sock"),
      interfaces: [{ name: "lo", dhcp: "off", address: "127.0.0.1" }],
      http: { port: httpPort },
      tftp: { port: httpPort },
      install: { mirrors: { debian: "http://mirror.test/debian" } },
    }),
  );
  labd = await stack.startLabd();
}, 60_000);
afterAll(async () => {
  bastion?.kill("SIGKILL");
  await stack.stop();
});

test("a bastion joins by a token of its own kind alone, which lets in no host", async () => {
  const forHosts = (await stack.labctl("token", "create", "--uses", "1", "--name", "rack1")).stdout.trim();
  const config = join(home, "config.yaml");
  const address = `127.0.0.1:${stack.port}`;
  const refused = await there("bastion", "join", address, "--token", forHosts, "--config", config);
  expect(refused).toMatchObject({
    code: 4,
    stderr: expect.stringContaining("lets in a host, not a bastion"),
  });
  const token = (
    await stack.labctl("token", "create", "--bastion", "--uses", "1", "--name", "rack1")
  ).stdout.trim();
  expect((await stack.join("rack1", token)).stderr).toContain("lets in a bastion, not a host");
  const joined = await there("bastion", "join", address, "--token", token, "--config", config);
  expect(joined.stdout).toBe(`joined https://${address} as bastion/rack1\n`);
  bastion = await startBastion();
  await until("labd sees the bastion", async () =>
    /^rack1 +connected/m.test((await stack.labctl("get", "bastions")).stdout),
  );
}, 30_000);

test("what happens there is seen here, and is read only", async () => {
  expect((await ask("/api/discover", json(inventory()))).status).toBe(200);
  await until("the machine is known", async () => (await seen()) === "discovered at rack1");
  const refused = await stack.labctl("provision", "install", mac, "node1", "--os", "debian-12");
  expect(refused).toMatchObject({ code: 5, stderr: expect.stringContaining("machine of bastion/rack1") });
});

test("an install is followed through a labd and a bastion that are killed: each line once, in order", async () => {
  expect((await order()).stderr).toBe("");
  const { token } = await claim();
  await until("the install is seen", async () => (await seen()) === "installing at rack1");

  let seq = 0;
  const say = async (count: number) => {
    const lines = Array.from({ length: count }, () => ({ seq: ++seq, text: `line ${seq}` }));
    expect((await ask("/api/log", json({ lines }, bearer(token)))).status).toBe(200);
  };
  let stages = 0;
  const reach = async (stage: string, state: string) =>
    ask("/api/progress", json({ seq: ++stages, stage, state }, bearer(token)));

  for (let round = 0; round < 20; round++) await say(10);
  await reach("network", "running");
  labd.kill("SIGKILL");
  await labd.exited;
  for (let round = 0; round < 20; round++) await say(10);
  await reach("packages", "running");
  // What was acknowledged to the installer is told, whatever happens to the bastion.
  bastion.kill("SIGKILL");
  await bastion.exited;
  bastion = await startBastion();
  for (let round = 0; round < 10; round++) await say(10);
  labd = await stack.startLabd();
  await say(10);
  await reach("installed", "done");

  await until("the end is seen", async () => (await seen()) === "installed at rack1", 45_000);
  const told = await logOf();
  expect(told.log_lines.map((line) => line.text)).toEqual(
    Array.from({ length: seq }, (_, index) => `line ${index + 1}`),
  );
  expect(told.stages.map(({ name }) => name)).toEqual(["network", "packages", "installed"]);
  expect(told.lost).toBe(0);
  expect((await logOf("node1@rack1")).log_lines).toHaveLength(seq);
}, 90_000);

test("what it installs joins labd by a token that labd made for this machine alone", async () => {
  expect((await order("--replace")).stderr).toBe("");
  const { token, preseed } = await claim();
  const late = await (await ask(`/install/${token}/late.sh`)).text();
  const [minted = ""] = /labctl_join_\w+/.exec(preseed + late) ?? [];
  const refused = await stack.join("other", minted);
  expect(refused.stderr).toContain("for another machine");
  const list = (await stack.labctl("token", "list")).stdout;
  expect(list).toMatch(/bastion\/rack1 +install of node1/);
});

test("a bastion that is revoked is cut off within a second, and hears why", async () => {
  const at = Date.now();
  expect((await stack.labctl("bastion", "revoke", "rack1", "--because", "stolen")).code).toBe(0);
  await until("it is cut off", async () =>
    /^rack1 +disconnected/m.test((await stack.labctl("get", "bastions")).stdout),
  );
  expect(Date.now() - at).toBeLessThan(1500);
  await until("its uplink says so", async () =>
    (await Bun.file(join(home, "bastion.log")).text()).includes("stolen"),
  );
  // What it told stays, until it is removed.
  expect(await seen()).toBeDefined();
  await stack.labctl("bastion", "remove", "rack1");
  expect(await seen()).toBeUndefined();
});
