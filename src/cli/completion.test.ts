import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collectWords, renderers } from "./completion.ts";
import type { Node } from "./define.ts";
import { root } from "./labctl.ts";

test("every command has a summary and an example that begins with its own path", async () => {
  const wrong: string[] = [];
  const walk = async (node: Node, path: string[]): Promise<void> => {
    if (node.summary === "" || !node.example.startsWith(["labctl", ...path].join(" ")))
      wrong.push(path.join(" "));
    if (node.kind === "command") return;
    for (const [word, { load }] of Object.entries(node.commands)) await walk(await load(), [...path, word]);
  };
  await walk(root, []);
  expect(wrong).toEqual([]);
});

test("the words of a command are its flags, those of a group its commands", async () => {
  const words = await collectWords(root);
  expect(words.get("")).toContain("config");
  expect(words.get("config get")).toContain("--output");
});

test("bash completes subcommands and flags", async () => {
  const directory = mkdtempSync(join(tmpdir(), "labctl-completion-"));
  const file = join(directory, "labctl.bash");
  writeFileSync(file, renderers.bash(await collectWords(root)));
  const complete = (...line: string[]) =>
    Bun.spawnSync([
      "bash",
      "-c",
      `. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _labctl; printf '%s\\n' "\${COMPREPLY[@]}"`,
      "bash",
      file,
      ...line,
    ])
      .stdout.toString()
      .trim()
      .split("\n");
  expect(complete("labctl", "conf")).toEqual(["config"]);
  expect(complete("labctl", "config", "g")).toEqual(["get"]);
  expect(complete("labctl", "config", "get", "http.port", "--ou")).toEqual(["--output"]);
  rmSync(directory, { recursive: true });
});
