import { afterAll, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadDaemonConfig, readYaml } from "./settings.ts";

const folder = mkdtempSync(join(tmpdir(), "labctl-settings-"));
afterAll(() => rmSync(folder, { recursive: true }));
const main = join(import.meta.dir, "../main.ts");

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const root = process.getuid?.() === 0;

test("a configuration that was named has to be there: defaults in its place would be another appliance", () => {
  const missing = join(import.meta.dir, "testdata", "nothing.yaml");
  expect(() => loadDaemonConfig(missing)).toThrow(`there is no ${missing}`);
});

test("a mistake is named with its line", () => {
  const typo = file("typo.yaml", "http:\n  port: 80\n\ntftp:\n  prot: 69\n");
  expect(() => loadDaemonConfig(typo)).toThrow(`${typo}:5: unknown key 'tftp.prot'`);
  const broken = file("broken.yaml", "interfaces:\n  - name: eth1\n   dhcp: full\n");
  expect(() => readYaml(broken)).toThrow(/in line 3 or later$/);
});

test.skipIf(!root)("a file that this user may not read is no absent one: its defaults do not hold", () => {
  chmodSync(folder, 0o755);
  const hidden = file("hidden.yaml", "http:\n  port: 80\n");
  chmodSync(hidden, 0o600);
  const script = `import { readYaml } from ${JSON.stringify(join(import.meta.dir, "settings.ts"))};
    process.setgid(65534); process.setuid(65534); readYaml(${JSON.stringify(hidden)});`;
  const run = Bun.spawnSync([process.execPath, "-e", script], { stderr: "pipe" });
  expect(run.stderr.toString()).toContain(`${hidden} may not be read by this user`);
});

test.skipIf(!root)("config set leaves the file to those who may read it", () => {
  const path = file("kept.yaml", "logLevel: warn\n");
  chownSync(path, 0, 65534);
  chmodSync(path, 0o640);
  const run = Bun.spawnSync([process.execPath, main, "config", "set", "http.port", "8081"], {
    env: { ...process.env, LABCTL_CONFIG: path },
  });
  expect(run.exitCode).toBe(0);
  const { gid, mode } = statSync(path);
  expect({ gid, mode: mode & 0o777 }).toEqual({ gid: 65534, mode: 0o640 });
  expect(loadDaemonConfig(path)).toMatchObject({ logLevel: "warn", http: { port: 8081 } });
});
