import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { buildExecutable } from "../lab/artifacts.ts";
import { createStack, type Stack } from "./stack.ts";

const judge = Bun.which("schemathesis");
const why = judge === null ? " (skipped: schemathesis is not installed; .ci/run installs it)" : "";
let stack: Stack;
beforeAll(async () => {
  if (judge === null) return;
  await buildExecutable();
  stack = createStack(8);
  await stack.startLabd();
}, 60_000);
afterAll(() => stack?.stop());

/** Pages, which are for people, and streams, which do not end by themselves. */
const left = "^/(ui|assets|open)|^/$|/follow$|/export$";
const checks = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_headers_conformance",
  "response_schema_conformance",
];

test.skipIf(judge === null)(
  `whatever is asked, the answer is one the OpenAPI document describes${why}`,
  async () => {
    const token = (await stack.labctl("token", "create", "--kind", "api", "--role", "admin")).stdout.trim();
    const document = join(stack.directory, "openapi.json");
    await Bun.write(
      document,
      await fetch("http://labctl/api/v1/openapi.json", { unix: stack.socket }).then((answer) =>
        answer.text(),
      ),
    );
    const run = Bun.spawn(
      [
        judge ?? "",
        "run",
        document,
        ...["--url", `https://127.0.0.1:${stack.port}`, "--tls-verify", "false"],
        ...["--header", `Authorization: Bearer ${token}`],
        ...["--phases", "coverage,fuzzing", "--max-examples", "5", "--max-time", "50", "--seed", "1"],
        ...["--checks", checks.join(","), "--exclude-path-regex", left],
        ...["--continue-on-failure", "--no-shrink", "--warnings", "off", "--request-timeout", "10"],
      ],
      { cwd: stack.directory, env: { ...process.env, NO_COLOR: "1" }, stdout: "pipe", stderr: "pipe" },
    );
    const said = await new Response(run.stdout).text();
    if ((await run.exited) !== 0) throw new Error(said.slice(-8000));
    expect(said).toContain("selected");
  },
  150_000,
);
