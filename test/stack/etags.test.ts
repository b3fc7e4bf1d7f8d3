import { afterAll, beforeAll, expect, test } from "bun:test";
import { serverLabels } from "../../src/fleet/api.ts";
import { buildExecutable } from "../lab/artifacts.ts";
import { createStack, type Stack } from "./stack.ts";

let stack: Stack;
beforeAll(async () => {
  await buildExecutable();
  stack = createStack(6);
  await stack.startLabd();
  await stack.join("e1");
}, 60_000);
afterAll(() => stack.stop());

const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: unknown) =>
  fetch(`http://labctl/api/v1${path}`, {
    unix: stack.socket,
    method,
    headers: { ...headers, ...(body !== undefined && { "content-type": "application/json" }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
const tagOf = async (path: string) => (await ask("GET", path)).headers.get("etag") ?? "none";

test("what did not change is not sent again", async () => {
  for (const path of ["/users", "/roles/admin", "/servers/e1/labels", "/tokens"]) {
    const tag = await tagOf(path);
    expect(tag).toMatch(/^"[\w-]{27}"$/);
    const again = await ask("GET", path, { "if-none-match": `"other", ${tag}` });
    expect([path, again.status, await again.text(), again.headers.get("etag")]).toEqual([path, 304, "", tag]);
  }
});

/** Every thing that is updated: its path, where it is read, and two changes of it. */
const updated: [method: string, path: string, read: string, first: unknown, second: unknown][] = [
  ["PATCH", "/servers/e1/labels", "/servers/e1/labels", { labels: { a: "1" } }, { labels: { a: "2" } }],
  ["PUT", "/groups/ops", "/groups/ops", { members: ["ann"] }, { members: ["ann", "bob"] }],
  [
    "PUT",
    "/roles",
    "/roles/reader",
    { name: "reader", grants: [{ effect: "allow", permission: "servers:read" }] },
    { name: "reader", grants: [{ effect: "allow", permission: "images:read" }] },
  ],
];

test("a change of what somebody else changed since it was read is refused, and changes nothing", async () => {
  for (const name of ["ann", "bob"]) await ask("POST", "/users", {}, { name });
  for (const [method, path, read, first, second] of updated) {
    expect([path, (await ask(method, path, {}, first)).ok]).toEqual([path, true]);
    const tag = await tagOf(read);
    const races = await Promise.all(
      Array.from({ length: 5 }, () => ask(method, path, { "if-match": tag }, second)),
    );
    const statuses = races.map(({ status }) => status).sort();
    expect([path, statuses.slice(1)]).toEqual([path, [412, 412, 412, 412]]);
    expect(statuses[0]).toBeLessThan(300);
    const refused = await ask(method, path, { "if-match": tag }, first);
    expect(await refused.json()).toMatchObject({ status: 412, code: "stale" });
    expect((await ask(method, path, { "if-match": await tagOf(read) }, first)).ok).toBe(true);
  }
});

test("If-None-Match: * makes, and never replaces", async () => {
  const role = { name: "fresh", grants: [{ effect: "allow", permission: "servers:read" }] };
  expect((await ask("PUT", "/roles", { "if-none-match": "*" }, role)).status).toBe(204);
  expect((await ask("PUT", "/roles", { "if-none-match": "*" }, role)).status).toBe(412);
  expect((await ask("PUT", "/groups/none", { "if-match": "*" }, { members: ["ann"] })).status).toBe(412);
});

test("label changes that come at once are all kept", async () => {
  const keys = Array.from({ length: 20 }, (_, index) => `key${index}`);
  await Promise.all(keys.map((key) => ask("PATCH", "/servers/e1/labels", {}, { labels: { [key]: "x" } })));
  expect(
    Object.keys(serverLabels.parse(await (await ask("GET", "/servers/e1/labels")).json()).labels),
  ).toEqual(expect.arrayContaining(keys));
});

test("members that are put into a group at the same time are all in it", async () => {
  const names = ["cid", "dan", "eve", "fay"];
  for (const name of names) await ask("POST", "/users", {}, { name });
  const ran = await Promise.all(names.map((name) => stack.labctl("auth", "add-member", "crew", name)));
  expect(ran.map(({ code, stderr }) => [code, stderr])).toEqual(names.map(() => [0, ""]));
  expect((await stack.labctl("auth", "remove-member", "crew", "cid")).code).toBe(0);
  expect(await (await ask("GET", "/groups/crew")).json()).toEqual({
    name: "crew",
    members: ["dan", "eve", "fay"],
  });
});
