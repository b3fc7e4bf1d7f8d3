import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cases, renderCase, shellParts, sshKey } from "./cases.ts";

// UPDATE_GOLDENS=1 writes them anew.
const goldens = join(import.meta.dir, "testdata/rendered");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "labctl-render-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

for (const [name, one] of Object.entries(cases)) {
  test(`${name} renders as it always did`, () => {
    const { files, boot } = renderCase(one);
    const all = { ...files, "boot.json": `${JSON.stringify(boot, null, 2)}\n` };
    const directory = join(goldens, name);
    for (const [file, text] of Object.entries(all)) {
      const path = join(directory, file);
      if (process.env.UPDATE_GOLDENS === "1") {
        mkdirSync(directory, { recursive: true });
        writeFileSync(path, text);
      }
      expect(text).toBe(readFileSync(path, "utf8"));
      expect(text).not.toMatch(/\{\{|\}\}/);
    }
  });
}

test("every shell part of every install passes shellcheck", () => {
  const paths: string[] = [];
  for (const [name, one] of Object.entries(cases)) {
    for (const [part, text] of Object.entries(shellParts(renderCase(one).files))) {
      const path = join(folder, `${name}-${part}`);
      writeFileSync(path, text);
      paths.push(path);
    }
  }
  expect(paths.length).toBeGreaterThan(20);
  // SC2034: the libraries set variables that only some of their includers read.
  const found = Bun.spawnSync(["shellcheck", "--format=gcc", "--exclude=SC2034", ...paths]);
  expect(found.stdout.toString() + found.stderr.toString()).toBe("");
}, 120_000);

test("several kernel arguments are one word to Anaconda, which splits its commands as a shell does", () => {
  const { files } = renderCase({
    spec: { name: "f1", os: "fedora-42", sshKeys: [sshKey] },
    firmware: "uefi",
    kernelArgs: "console=tty0 console=ttyS0,115200",
  });
  const [line] = /^ *\S+ .bootloader .*$/m.exec(files["install.ks"] ?? "") ?? [];
  const said = Bun.spawnSync(["bash", "-c", `short=sda; ${line}`]).stdout.toString();
  const words = Bun.spawnSync(["bash", "-c", `printf '%s\\n' ${said}`]).stdout.toString();
  expect(words.trimEnd().split("\n")).toEqual([
    "bootloader",
    "--location=mbr",
    "--boot-drive=sda",
    "--append=console=tty0 console=ttyS0,115200",
  ]);
});

const releases: Record<string, string> = {
  "fedora-40-plain": "F40",
  "fedora-41-infra": "F41",
  "fedora-42-worker": "F42",
  "rhel-9-plain": "RHEL9",
  "rocky-10-infra": "RHEL10",
};
const validator = Bun.which("ksvalidator");

describe("every kickstart passes ksvalidator for the release it names", () => {
  for (const [name, release] of Object.entries(releases)) {
    test.skipIf(validator === null)(
      `${name} as ${release} (skipped without ksvalidator: pip install pykickstart)`,
      () => {
        const one = cases[name];
        if (one === undefined) throw new Error(`no case ${name}`);
        const path = join(folder, `${name}.ks`);
        writeFileSync(path, renderCase(one).files["install.ks"] ?? "");
        const judged = Bun.spawnSync([validator ?? "", "-v", release, path]);
        // That %traceback will go one day is said on the side; it serves the releases that have it.
        expect(judged.stdout.toString()).not.toMatch(/error|unknown|problem/i);
        expect(judged.exitCode).toBe(0);
      },
      30_000,
    );
  }
});
