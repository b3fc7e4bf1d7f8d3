import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFakePve, type FakePve } from "../fake-pve/fake.ts";
import { tokens } from "../fake-pve/lab.ts";

let fake: FakePve;
let folder: string;
/** Everything any command of this file printed. */
let printed = "";
const secrets = Object.values(tokens).map((token) => token.slice(token.indexOf("=") + 1));

beforeAll(async () => {
  fake = await createFakePve({ nodes: ["pve1", "pve2"], taskMs: 20 });
  folder = mkdtempSync(join(tmpdir(), "labctl-proxmox-"));
  writeFileSync(join(folder, "token"), `${tokens.full}\n`, { mode: 0o600 });
  const [one, two] = fake.nodes;
  writeFileSync(
    join(folder, "config.yaml"),
    `dataDir: ${folder}
logLevel: debug
proxmox:
  clusters:
    lab:
      nodes: ["${one?.address}", "${two?.address}"]
      tokenFile: ${folder}/token
      pool: lab
      storages: [local, store2]
      template: 9000
`,
  );
});
afterAll(async () => {
  await fake.close();
  rmSync(folder, { recursive: true });
  // The point of it all: nothing that was ever printed, and nothing that was saved, holds a secret.
  for (const secret of secrets) expect(printed).not.toContain(secret);
});

async function labctl(words: string[], environment: Record<string, string> = {}) {
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, "../../src/main.ts"), "proxmox", ...words],
    {
      env: {
        PATH: process.env.PATH ?? "",
        HOME: folder,
        LABCTL_CONFIG: join(folder, "config.yaml"),
        LABCTL_DEBUG: "1",
        ...environment,
      },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  printed += out + err;
  return { out, err, code };
}
const nodeAt = (index: number) => fake.nodes[index] ?? fake.nodes[0] ?? Promise.reject(new Error("no node"));

test("before a node is trusted nothing is sent to it, and the way on is named", async () => {
  const { code, err } = await labctl(["nodes"]);
  expect(code).toBe(8);
  expect(err).toContain("is not trusted");
  expect(err).toContain("labctl proxmox trust 127.0.0.1:");
  expect(fake.seen).toEqual([]);
}, 20_000);

test("trust pins what was compared: by fingerprint without a question, and not at all without either", async () => {
  const [one, two] = await Promise.all([nodeAt(0), nodeAt(1)]);
  const unasked = await labctl(["trust", one.address]);
  expect(unasked).toMatchObject({ code: 2, err: expect.stringContaining(one.fingerprint) });
  const wrong = await labctl(["trust", one.address, "--fingerprint", two.fingerprint]);
  expect(wrong).toMatchObject({ code: 5, err: expect.stringContaining("nothing was pinned") });
  expect((await labctl(["trust", one.address, "--fingerprint", one.fingerprint.toLowerCase()])).code).toBe(0);
  const vouched = await labctl(["trust", two.address, "--fingerprint", two.fingerprint]);
  expect(vouched.err).toContain(`says this is the certificate of pve2`);
  const pins: unknown = JSON.parse(readFileSync(join(folder, "proxmox-trust.json"), "utf8"));
  expect(pins).toEqual({ [one.address]: one.fingerprint, [two.address]: two.fingerprint });
}, 20_000);

test("lists come as tables and as JSON", async () => {
  const guests = await labctl(["guests", "-o", "json"]);
  expect(JSON.parse(guests.out)).toEqual(
    expect.arrayContaining([expect.objectContaining({ vmid: 9000, template: true })]),
  );
  expect((await labctl(["nodes"])).out).toContain("pve2  online");
  expect((await labctl(["storages", "--node", "pve1"])).out).toMatch(/^local +dir +yes/m);
  expect(await labctl(["storages"])).toMatchObject({
    code: 2,
    err: expect.stringContaining("the cluster has 2 nodes: pve1, pve2"),
  });
}, 20_000);

test("selftest goes through it all, and --task takes a snapshot and leaves none", async () => {
  const before = fake.seen.length;
  const read = await labctl(["selftest", "-o", "json"]);
  const findings: { check: string; result: string }[] = JSON.parse(read.out);
  expect(findings.filter(({ result }) => result !== "ok")).toEqual([]);
  expect(findings.map(({ check }) => check)).toEqual(
    expect.arrayContaining(["version", "clock", "nodes", "storage local", "privileges", "template"]),
  );
  expect(read.code).toBe(0);
  expect(fake.seen.slice(before).every(({ method }) => method === "GET")).toBe(true);
  const task = await labctl(["selftest", "--task", "--vmid", "101"]);
  expect(task.out).toMatch(/task +ok/);
  expect(
    fake.seen.filter(({ path }) => path.includes("/qemu/101/snapshot")).map(({ method }) => method),
  ).toEqual(["POST", "DELETE"]);
  expect(fake.world.guests.get(101)?.snapshots).toEqual([]);
}, 20_000);

test("selftest says what is wrong and what to do, and fails", async () => {
  const template = fake.world.guests.get(9000);
  if (template) template.config.template = 0;
  fake.world.options.clockSkewMs = 90_000;
  await fake.nodes[1]?.stop();
  const { out, code } = await labctl(["selftest"]);
  expect(code).toBe(1);
  expect(out).toMatch(/clock +warn +the node is (89|90|91) s ahead/);
  expect(out).toContain("qm template 9000");
  expect(out).toContain("pve2 is offline");
  fake.world.options.clockSkewMs = 0;
  await fake.nodes[1]?.start();
}, 20_000);

test("a token file that everybody may read is refused, and so is one that holds none", async () => {
  chmodSync(join(folder, "token"), 0o644);
  expect((await labctl(["nodes"])).err).toContain("chmod 640");
  writeFileSync(join(folder, "token"), "hello");
  chmodSync(join(folder, "token"), 0o600);
  expect((await labctl(["nodes"])).err).toContain("does not hold a Proxmox API token");
  writeFileSync(join(folder, "token"), tokens.full);
}, 20_000);

test("the token comes from a credential or the environment as well, and a wrong one is told without being shown", async () => {
  const path = join(folder, "config.yaml");
  writeFileSync(path, readFileSync(path, "utf8").replace(/ +tokenFile.*\n/, ""));
  expect((await labctl(["nodes"])).err).toContain("LoadCredential=proxmox-lab");
  expect((await labctl(["nodes"], { LABCTL_PROXMOX_LAB_TOKEN: tokens.full })).code).toBe(0);
  writeFileSync(join(folder, "proxmox-lab"), tokens.full);
  expect((await labctl(["nodes"], { CREDENTIALS_DIRECTORY: folder })).code).toBe(0);
  const wrong = await labctl(["nodes"], {
    LABCTL_PROXMOX_LAB_TOKEN: tokens.full.replace("lab@pve!full", "lab@pve!gone"),
  });
  expect(wrong).toMatchObject({ code: 4, err: expect.stringContaining("Authentication failed!") });
}, 20_000);
