import { afterAll, beforeAll, expect, test } from "bun:test";
import { z } from "zod";
import { buildExecutable } from "../lab/artifacts.ts";
import { createStack, type Stack, until } from "./stack.ts";

let stack: Stack;
let labd: Bun.Subprocess;
beforeAll(async () => {
  await buildExecutable();
  stack = createStack();
  labd = await stack.startLabd();
}, 60_000);
afterAll(() => stack.stop());

/** What a command that goes on has printed so far. */
function reading(...words: string[]) {
  const child = stack.spawn(...words);
  let text = "";
  const done = (async () => {
    for await (const chunk of child.stdout) text += Buffer.from(chunk).toString();
  })();
  return {
    text: () => text,
    async end() {
      child.kill();
      await done;
    },
  };
}

test("the daemon's own log is read and followed, over a kill and a restart, each record once", async () => {
  expect((await stack.labctl("logs", "bastion", "-n", "20")).stdout).toContain("labd is ready");
  const follow = reading("logs", "bastion", "-f", "-o", "json");
  await until("the first records", () => follow.text().includes("labd is ready"));
  labd.kill("SIGKILL");
  await labd.exited;
  labd = await stack.startLabd();
  await stack.join("n1");
  stack.startAgent("n1");
  await until("what the next process says", () => follow.text().includes("agent connected"), 30_000);
  await follow.end();
  const records = follow
    .text()
    .trim()
    .split("\n")
    .map((line) => z.looseObject({ id: z.number(), message: z.string() }).parse(JSON.parse(line)));
  const ids = records.map(({ id }) => id);
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
  expect(records.filter(({ message }) => message === "labd is ready")).toHaveLength(2);
}, 60_000);

test("the audit is followed as it is written, over a restart, without a gap", async () => {
  const follow = reading("logs", "audit", "-f", "-n", "1", "-o", "json");
  await until("the last record", () => follow.text() !== "");
  await stack.labctl("auth", "add-user", "bob");
  await until("a change", () => follow.text().includes("user/bob"));
  labd.kill("SIGKILL");
  await labd.exited;
  labd = await stack.startLabd();
  await stack.labctl("auth", "add-user", "carol");
  await until("a change after the restart", () => follow.text().includes("user/carol"), 30_000);
  await follow.end();
  const seqs = follow
    .text()
    .trim()
    .split("\n")
    .map((line) => z.looseObject({ seq: z.number() }).parse(JSON.parse(line)).seq);
  expect(seqs).toEqual(seqs.map((_, index) => (seqs[0] ?? 0) + index));
}, 60_000);

test("what is asked from a time on is not older", async () => {
  expect((await stack.labctl("logs", "audit", "--since", "-1h")).stdout).toContain("user/bob");
  expect((await stack.labctl("logs", "audit", "--since", "2199-01-01")).stdout).toBe("");
  expect((await stack.labctl("audit", "list", "--until", "2001-01-01", "-o", "json")).stdout).toBe("[]\n");
  expect(await stack.labctl("logs", "audit", "--since", "soon")).toMatchObject({ code: 2 });
});

test("each log has its permission", async () => {
  await stack.labctl("auth", "add-user", "eve", "--role", "viewer");
  const token = (await stack.labctl("token", "create", "--kind", "login", "--user", "eve")).stdout.trim();
  await stack.as("eve", "login", `127.0.0.1:${stack.port}`, "--token", token);
  expect(await stack.as("eve", "logs", "bastion")).toMatchObject({ code: 4 });
  expect(await stack.as("eve", "logs", "audit")).toMatchObject({ code: 4 });
  // A viewer may read of machines: there is none of this name.
  expect(await stack.as("eve", "logs", "machine/none")).toMatchObject({ code: 3 });
  expect(await stack.labctl("logs", "nonsense")).toMatchObject({ code: 2 });
});
