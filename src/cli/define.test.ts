import { expect, test } from "bun:test";
import { defineCommand, defineGroup, type Invocation, outputFlag, runNode } from "./define.ts";

function tree(seen: { args: unknown; many: string[]; rest: string[] }[]) {
  const install = defineCommand({
    summary: "queue an install",
    example: "labctl provision install 52:54:00:12:34:56 node1 --role worker",
    args: {
      mac: { type: "positional", required: true, description: "machine" },
      name: { type: "positional", required: false, description: "name" },
      role: { type: "string", description: "role" },
      "ssh-key": { type: "string", description: "key" },
      wipe: { type: "boolean", alias: "w", description: "wipe" },
      ...outputFlag,
    },
    run: (args, invocation: Invocation) => {
      seen.push({ args: { ...args }, many: invocation.many("ssh-key"), rest: invocation.rest });
    },
  });
  return defineGroup({
    summary: "root",
    example: "labctl version",
    commands: {
      provision: {
        summary: "machines",
        load: async () =>
          defineGroup({
            summary: "machines",
            example: "labctl provision list",
            commands: { install: { summary: "install", load: async () => install } },
          }),
      },
    },
  });
}

const run = async (...argv: string[]) => {
  const seen: { args: unknown; many: string[]; rest: string[] }[] = [];
  const printed: string[] = [];
  await runNode(tree(seen), argv, [], (text) => printed.push(text));
  return { seen: seen[0], printed: printed.join("\n") };
};

test("flags, repeated flags and positionals reach the command", async () => {
  const { seen } = await run(
    "provision",
    "install",
    "m1",
    "--ssh-key",
    "a",
    "--ssh-key=b",
    "-w",
    "--role",
    "worker",
  );
  expect(seen?.args).toMatchObject({ mac: "m1", role: "worker", wipe: true });
  expect(seen?.many).toEqual(["a", "b"]);
});

test.each([
  [["provison"], "there is no command 'provison'", "did you mean 'provision'?"],
  [["provision", "instal"], "there is no command 'instal' of 'labctl provision'", "did you mean 'install'?"],
  [["provision", "install", "m", "--rol", "x"], "there is no flag '--rol'", "did you mean '--role'?"],
  [
    ["provision", "install", "m", "-o", "jsn"],
    "-o 'jsn' is not one of table, json, yaml",
    "did you mean 'json'?",
  ],
  [["provision", "install"], "MAC is missing", "for example: labctl provision install"],
  [["provision", "install", "a", "b", "c"], "'c' is one argument too many", "--help"],
  [["provision", "install", "a", "--role"], "--role needs a value", "--help"],
  [["provision", "install", "a", "--", "b"], "'b' is one argument too many", "--help"],
])("%j is refused with a suggestion and exit code 2", async (argv, message, hint) => {
  const refusal = await run(...argv).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(refusal).toMatchObject({ code: "usage" });
  expect(String(refusal)).toContain(message);
  expect(refusal).toHaveProperty("hint", expect.stringContaining(hint));
});

test("help names the flags and gives an example, for groups and commands", async () => {
  expect((await run("provision", "install", "--help")).printed).toContain(
    "labctl provision install 52:54:00",
  );
  expect((await run("provision")).printed).toContain("install");
});
