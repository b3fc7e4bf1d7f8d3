import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildExecutable } from "../test/lab/artifacts.ts";

setDefaultTimeout(120_000);

const out = mkdtempSync(join(tmpdir(), "labctl-bench-test-"));
const page = Bun.file(join(import.meta.dir, "../docs/performance.md"));

beforeAll(() => buildExecutable());
afterAll(() => rmSync(out, { recursive: true, force: true }));

async function bench(...words: string[]) {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "run.ts"), ...words], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [said, complained] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { said, complained, code: await child.exited };
}

test("a quick look runs the built binary, prints a table, keeps JSON with the machine, and leaves the page alone", async () => {
  const before = await page.text();
  const { said, code } = await bench(
    "log-follow",
    "--quick",
    "--size=20",
    "--rounds=1",
    "--no-build",
    "--out",
    out,
  );
  expect(code).toBe(0);
  expect(said).toMatch(/^case +server +median +unit +spread +ratio +CPU s +peak MB +failed/m);
  const { machine, rows } = await Bun.file(join(out, "log-follow.json")).json();
  expect(machine).toMatchObject({ bun: Bun.version, labctl: expect.stringMatching(/^labctl \d/) });
  expect(rows[0]).toMatchObject({ subject: "labctl", failures: 0, values: [expect.any(Number)] });
  expect(await page.text()).toBe(before);
});

test("a bench that is not there is named with those that are", async () => {
  const { complained, code } = await bench("tftp");
  expect([code, complained.trim()]).toEqual([
    2,
    expect.stringMatching(/^no such bench: tftp; there are tftp-one, /),
  ]);
});
