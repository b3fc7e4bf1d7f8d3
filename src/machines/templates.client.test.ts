import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTemplates, embeddedTemplates } from "./templates.client.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "labctl-templates-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("every template of kickstart/ is embedded", () => {
  const root = join(import.meta.dir, "../../kickstart");
  const files = [...new Bun.Glob("{debian,fedora,image,lib}/*").scanSync(root), "ram/collect.sh"];
  expect(Object.keys(embeddedTemplates).sort()).toEqual(files.sort());
});

test("a file on disk replaces the embedded one of its path, from the next call on", () => {
  const templates = createTemplates(directory);
  expect(templates("debian/early.sh")).toBe(embeddedTemplates["debian/early.sh"]);
  mkdirSync(join(directory, "debian"));
  writeFileSync(join(directory, "debian/early.sh"), "mine");
  expect(templates("debian/early.sh")).toBe("mine");
  expect(templates("debian/late.sh")).toBe(embeddedTemplates["debian/late.sh"]);
});

test("nothing outside the directory is read, and a file that cannot be read is told", () => {
  writeFileSync(join(directory, "outside"), "x");
  mkdirSync(join(directory, "in/debian/early.sh"), { recursive: true });
  const templates = createTemplates(join(directory, "in"));
  expect(templates("../outside")).toBeUndefined();
  expect(() => templates("debian/early.sh")).toThrow("cannot be read");
});
