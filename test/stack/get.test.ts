import { afterAll, beforeAll, expect, test } from "bun:test";
import { z } from "zod";
import { buildExecutable } from "../lab/artifacts.ts";
import { createStack, type Stack, until } from "./stack.ts";

let stack: Stack;
let daemon: Bun.Subprocess;
const key = `ssh-ed25519 ${Buffer.from(`\0\0\0\x0bssh-ed25519\0\0\0 ${"k".repeat(32)}`).toString("base64")}`;
const install = (number: number, role = "worker") =>
  stack.labctl(
    ...["provision", "install", `52:54:00:00:00:${String(number).padStart(2, "0")}`, `m${number}`],
    ...["--role", role, "--os", "debian-12", "--ssh-key", key],
  );

beforeAll(async () => {
  await buildExecutable();
  stack = createStack(1);
  daemon = await stack.startLabd("standalone");
  expect((await install(1)).code).toBe(0);
  expect((await install(2, "infra")).code).toBe(0);
}, 60_000);
afterAll(() => stack.stop());

test("a list is chosen by labels, and printed as names, wide or as data", async () => {
  expect((await stack.labctl("get", "machines", "-l", "role=infra", "-o", "name")).stdout).toBe(
    "machine/m2\n",
  );
  expect((await stack.labctl("get", "machines", "-o", "wide")).stdout).toMatch(/^MAC +NAME .*MEMORY/);
  const { stdout } = await stack.labctl("get", "machines", "-o", "json");
  expect(z.array(z.object({ name: z.string() })).parse(JSON.parse(stdout))).toMatchObject([
    { name: "m1" },
    { name: "m2" },
  ]);
  expect(await stack.labctl("get", "users", "-l", "a=b")).toMatchObject({ code: 2 });
  expect((await stack.labctl("get", "machins")).stderr).toContain("did you mean 'machines'");
});

test("each type is listed, and one of it described by TYPE/NAME", async () => {
  await stack.labctl("auth", "add-user", "alice", "--role", "viewer");
  await stack.labctl("token", "create", "--uses", "1");
  await stack.join("n1");
  for (const many of ["machines", "servers", "agents", "tokens", "users", "roles"]) {
    const [first = ""] = (await stack.labctl("get", many, "-o", "name")).stdout.split("\n");
    expect([many, first]).toEqual([many, expect.stringMatching(/^[a-z]+\/\S+$/)]);
    expect([first, (await stack.labctl("describe", first)).code]).toEqual([first, 0]);
  }
  for (const many of ["groups", "images", "bastions"]) expect((await stack.labctl("get", many)).code).toBe(0);
  expect((await stack.labctl("describe", "machine/52:54:00:00:00:01")).stdout).toContain("m1");
  expect((await stack.labctl("describe", "user/nobody")).code).toBe(3);
  expect((await stack.labctl("describe", "m1")).code).toBe(2);
});

test("--watch prints what changes and no more, and goes on after the daemon was killed and came back", async () => {
  const child = stack.spawn("get", "machines", "--watch", "-o", "json");
  const seen: { change: string; machine: { name: string; state: string } }[] = [];
  const reading = (async () => {
    let rest = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      seen.push(...lines.map((line) => JSON.parse(line)));
    }
  })();
  const told = () => seen.map(({ change, machine }) => `${change} ${machine.name}`);
  await until("those there are", () => seen.length === 2);
  await install(3);
  await until("one more", () => seen.length === 3);
  daemon.kill("SIGKILL");
  await daemon.exited;
  daemon = await stack.startLabd("standalone");
  await stack.labctl("provision", "forget", "m1");
  await until("one less", () => seen.length === 4);
  expect(told()).toEqual(["added m1", "added m2", "added m3", "removed m1"]);
  child.kill("SIGINT");
  expect(await child.exited).toBe(0);
  await reading;
  // One record for each answer that showed something, not for each look.
  const { stdout } = await stack.labctl("audit", "list", "--resource", "/api/v1/machines");
  expect(stdout.split("\n").length).toBeLessThan(12);
}, 60_000);

test("lists come in pages that an insertion does not shift, and the command reads them all", async () => {
  const answer = z.object({ items: z.array(z.object({ name: z.string() })), next: z.string().optional() });
  const page = async (query: string) =>
    answer.parse(await (await fetch(`http://labctl/api/v1/users?${query}`, { unix: stack.socket })).json());
  for (const name of ["u1", "u3", "u5"]) await stack.labctl("auth", "add-user", name);
  const first = await page("limit=2");
  expect(first.items.map(({ name }) => name)).toEqual(["alice", "u1"]);
  await stack.labctl("auth", "add-user", "a-new-one");
  await stack.labctl("auth", "add-user", "u2");
  await stack.labctl("auth", "remove-user", "u1");
  const second = await page(`limit=9&cursor=${first.next}`);
  expect(second).toEqual({ items: ["u2", "u3", "u5"].map((name) => expect.objectContaining({ name })) });
  expect((await stack.labctl("get", "users", "-o", "name")).stdout.split("\n").length).toBe(6);
});

test("tokens made in the same moment are neither lost nor shown twice between pages", async () => {
  await Promise.all(Array.from({ length: 7 }, () => stack.labctl("token", "create", "--uses", "1")));
  const answer = z.object({ items: z.array(z.object({ id: z.string() })), next: z.string().optional() });
  const ids: string[] = [];
  let cursor = "";
  do {
    const url = `http://labctl/api/v1/tokens?limit=2${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
    const { items, next } = answer.parse(await (await fetch(url, { unix: stack.socket })).json());
    ids.push(...items.map(({ id }) => id));
    cursor = next ?? "";
  } while (cursor !== "");
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.length).toBe(
    (await stack.labctl("get", "tokens", "-o", "name")).stdout.trim().split("\n").length,
  );
});
