import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { apiDocument } from "../../src/http/openapi.ts";
import { routesOf } from "../../src/http/openapi-page.ts";
import { errorCodes } from "../../src/platform/errors.ts";
import { buildExecutable } from "../lab/artifacts.ts";
import { executable } from "../lab/bastion.ts";
import { createStack, type Stack } from "./stack.ts";

const file = join(import.meta.dir, "../../docs/api.md");
let stack: Stack;
beforeAll(async () => {
  await buildExecutable();
  stack = createStack(10);
  await stack.startLabd();
}, 60_000);
afterAll(() => stack.stop());

/** `text` with what is between the marks replaced. */
function withPart(text: string, mark: string, part: string): string {
  const [open, close] = [`<!-- ${mark} -->\n`, `<!-- /${mark} -->`];
  return `${text.slice(0, text.indexOf(open) + open.length)}${part}\n${text.slice(text.indexOf(close))}`;
}

const codes = () =>
  [
    "| code | status | mended by |",
    "|---|---|---|",
    ...Object.entries(errorCodes).map(
      ([code, { status, blame }]) =>
        `| \`${code}\` | ${status} | ${blame === "user" ? "whoever asks" : "whoever operates"} |`,
    ),
  ].join("\n");

function reference(openApi: unknown): string {
  const nouns = new Map<string, string[]>();
  for (const { method, path, operation } of routesOf(apiDocument.parse(openApi))) {
    const noun = operation.tags?.[0] ?? "";
    if (noun === "pages") continue;
    const marks = [operation["x-once"] ? " ⟳" : "", 412 in operation.responses ? " ≡" : ""].join("");
    const needs = operation["x-permission"] === "public" ? "anybody" : `\`${operation["x-permission"]}\``;
    const row = `| \`${method} ${path}\`${marks} | ${operation.summary ?? ""} | ${needs} |`;
    nouns.set(noun, [...(nouns.get(noun) ?? []), row]);
  }
  return [...nouns]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([noun, rows]) =>
      [`### ${noun}`, "", "| route | does | needs |", "|---|---|---|", ...rows, ""].join("\n"),
    )
    .join("\n")
    .trimEnd();
}

test("the guide's tables are those of the code; UPDATE_GOLDENS=1 writes them", async () => {
  const openApi = await (await fetch("http://labctl/api/v1/openapi.json", { unix: stack.socket })).json();
  const text = readFileSync(file, "utf8");
  const wanted = withPart(withPart(text, "codes", codes()), "routes", reference(openApi));
  if (process.env.UPDATE_GOLDENS === "1") writeFileSync(file, wanted);
  else expect(text).toBe(wanted);
});

test("the guide's examples run as they stand", async () => {
  const blocks = [...readFileSync(file, "utf8").matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(
    ([, code]) => code,
  );
  expect(blocks.length).toBeGreaterThan(5);
  const bin = join(stack.directory, "bin");
  mkdirSync(bin);
  symlinkSync(executable, join(bin, "labctl"));
  const run = Bun.spawn(["bash", "-euo", "pipefail", "-c", blocks.join("\necho\n")], {
    cwd: stack.directory,
    env: {
      PATH: `${bin}:${dirname(process.execPath)}:/usr/bin:/bin`,
      HOME: stack.directory,
      LABCTL_SOCKET: stack.socket,
      LABD: `https://127.0.0.1:${stack.port}`,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [said, wrong] = await Promise.all([new Response(run.stdout).text(), new Response(run.stderr).text()]);
  // Only what `labctl token create` adds for people.
  expect([wrong.replace(/^token \w+, until .*\n/, ""), await run.exited]).toEqual(["", 0]);
  const made = said.match(/labctl_join_\w+/g) ?? [];
  expect([made.length, new Set(made).size]).toEqual([2, 1]);
  expect(said).toContain('"code":"not-found","hint":"labctl get servers"');
  expect(said).toContain('"items":[]');
  expect(said).not.toContain('"code":"stale"');
  expect(said.trimEnd().split("\n").at(-1)).toContain('"action":');
});

test("the page of the API loads nothing and runs nothing", async () => {
  const page = await fetch("http://labctl/api/v1/docs", { unix: stack.socket });
  const policy = page.headers.get("content-security-policy") ?? "";
  expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/=]+'; frame-ancestors 'none'/);
  const html = await page.text();
  expect(html).not.toMatch(/<script|\son\w+=|https?:\/\//i);
  const style = /<style>([\s\S]*?)<\/style>/.exec(html)?.[1] ?? "";
  expect(policy).toContain(new Bun.CryptoHasher("sha256").update(style).digest("base64"));
  for (const path of ["/api/v1/machines/{machine}", "/api/v1/tokens"]) expect(html).toContain(path);
});
