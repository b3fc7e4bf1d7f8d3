import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFakePve, type FakePve } from "../fake-pve/fake.ts";
import { tokens } from "../fake-pve/lab.ts";

/** Debian's interpreter, which knows Debian's python3-proxmoxer. */
const python = "/usr/bin/python3";
const found = Bun.spawnSync([python, "-c", "import proxmoxer, requests"]).exitCode === 0;
if (!found) console.warn("test/pve/proxmoxer: skipped, python3-proxmoxer is not installed");

let fake: FakePve;
let folder: string;
beforeAll(async () => {
  fake = await createFakePve({ taskMs: 10 });
  folder = mkdtempSync(join(tmpdir(), "proxmoxer-"));
  writeFileSync(join(folder, "ca.pem"), fake.ca);
  writeFileSync(join(folder, "seed.iso"), new Uint8Array(100_000));
});
afterAll(async () => {
  await fake.close();
  rmSync(folder, { recursive: true });
});

test.skipIf(!found)(
  "proxmoxer leads a sandbox from clone to destruction on the fake, checking its certificate",
  async () => {
    const [user = "", rest = ""] = tokens.root.split("!");
    const [name = "", value = ""] = rest.split("=");
    const words = [
      join(import.meta.dir, "sandbox-life.py"),
      "127.0.0.1",
      String(fake.nodes[0]?.port),
      join(folder, "ca.pem"),
      user,
      name,
      value,
      join(folder, "seed.iso"),
    ];
    const child = Bun.spawn([python, ...words], { stdout: "pipe", stderr: "pipe" });
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    expect(err).toBe("");
    expect(JSON.parse(out)).toEqual({
      version: "9.2.11",
      clone: "qmclone",
      config: { name: "by-proxmoxer", cores: 2, memory: "256", tags: "a;b" },
      resize: "resize",
      snapshots: ["clean", "current"],
      status: "running",
      running: expect.stringContaining("is running - destroy failed"),
      destroy: "qmdestroy",
      gone: expect.stringContaining("does not exist"),
      isos: expect.arrayContaining(["local:iso/seed.iso"]),
      invalid: expect.stringContaining("Parameter verification failed."),
    });
  },
);
