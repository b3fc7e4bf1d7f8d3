import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ramScripts } from "../../src/images/ram-scripts.ts";
import { inventorySchema } from "../../src/machines/inventory.ts";
import { parseTemplates, renderTemplate } from "../../src/machines/template.ts";
import { embeddedTemplates } from "../../src/machines/templates.client.ts";

const top = join(import.meta.dir, "../..");
const mac = "52:54:00:00:00:01";
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ram-scripts-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("every script of kickstart/ram is in the RAM environment, and passes shellcheck", () => {
  const files = [...new Bun.Glob("kickstart/ram/*.sh").scanSync(top)];
  const texts = new Set(ramScripts.map(({ text }) => text));
  expect(files.length).toBe(texts.size);
  const judged = Bun.spawnSync(["shellcheck", "--external-sources", ...files], { cwd: top });
  expect(judged.stdout.toString() + judged.stderr.toString()).toBe("");
});

describe("collect.sh", () => {
  // Both shells it meets: dash in the RAM environment, bash as Fedora's sh.
  for (const shell of [["dash"], ["bash", "--posix"], ["busybox", "ash"]]) {
    test(`prints one readable document under ${shell.join(" ")}, on whatever host it runs`, () => {
      const run = Bun.spawnSync([...shell, join(top, "kickstart/ram/collect.sh")], {
        env: { PATH: process.env.PATH ?? "", LABCTL_MAC: mac, LABCTL_SOURCE: "ram" },
      });
      const inventory = inventorySchema.parse(JSON.parse(run.stdout.toString()));
      expect(String(inventory.mac)).toBe(mac);
      expect(inventory.cpu.threads).toBeGreaterThan(0);
      expect(inventory.memory.totalBytes).toBeGreaterThan(0);
      expect(inventory.firmware.mode).toMatch(/bios|uefi/);
    }, 60_000);
  }

  test("a string with quotes, backslashes and broken bytes stays one string", () => {
    const library = join(folder, "quote.sh");
    const source = ramScripts.find(({ path }) => path.endsWith("collect.sh"))?.text ?? "";
    writeFileSync(library, source.slice(0, source.indexOf("# First line of a file of /sys")));
    const hostile = Buffer.from('a"b\\c\t\u001b[31m\xff\xfe}', "latin1");
    const value = join(folder, "value");
    writeFileSync(value, hostile);
    for (const shell of ["dash", "bash"]) {
      const run = Bun.spawnSync([shell, "-c", `. ${library}; quote "$(cat ${value})"`]);
      expect(JSON.parse(run.stdout.toString())).toBe('a"b\\c  [31m  }');
      const awk = Bun.spawnSync([
        shell,
        "-c",
        `. ${library}; busybox awk "$awk_quote"'{ print quote($0) }' ${value}`,
      ]);
      expect(JSON.parse(awk.stdout.toString())).toBe('a"b\\c  [31m  }');
    }
  });
});

describe("discover.ks", () => {
  const kickstart = renderTemplate(
    parseTemplates((path) => embeddedTemplates[path]),
    "fedora/discover.ks",
    {},
  );

  test("its %pre passes shellcheck, and carries the collector unchanged", () => {
    const script = kickstart.slice(
      kickstart.indexOf("\n", kickstart.indexOf("%pre")),
      kickstart.indexOf("%end"),
    );
    expect(script).toContain(embeddedTemplates["ram/collect.sh"]?.trimEnd() ?? "missing");
    const path = join(folder, "pre.sh");
    writeFileSync(path, `#!/bin/bash${script}`);
    const judged = Bun.spawnSync(["shellcheck", path]);
    expect(judged.stdout.toString()).toBe("");
    expect(judged.exitCode).toBe(0);
  });

  const validator = Bun.which("ksvalidator");
  for (const release of ["F40", "F41", "F42"]) {
    test.skipIf(validator === null)(
      `passes ksvalidator as ${release} (skipped without ksvalidator: pip install pykickstart)`,
      () => {
        const path = join(folder, "discover.ks");
        writeFileSync(path, kickstart);
        const judged = Bun.spawnSync([validator ?? "", "-v", release, path]);
        expect(judged.stdout.toString()).not.toMatch(/error|unknown|problem|deprecat/i);
        expect(judged.exitCode).toBe(0);
      },
      30_000,
    );
  }
});
