import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";

const folder = mkdtempSync(join(tmpdir(), "labctl-doctor-"));
afterAll(() => rmSync(folder, { recursive: true }));

const findings = z.array(z.object({ check: z.string(), result: z.string(), detail: z.string() }));

function doctor(config: object) {
  const file = join(folder, "config.yaml");
  const paths = { dataDir: folder, adminSocket: join(folder, "labctl.sock") };
  writeFileSync(file, JSON.stringify({ ...paths, ...config }));
  const run = Bun.spawnSync([
    ...[process.execPath, join(import.meta.dir, "../main.ts"), "doctor", "--config", file, "-o", "json"],
  ]);
  const found = findings.parse(JSON.parse(run.stdout.toString()));
  return { exitCode: run.exitCode, of: (check: string) => found.find((each) => each.check === check) };
}

test("addresses that the daemon would refuse to hand out are found before it is started", () => {
  const { of, exitCode } = doctor({ interfaces: [{ name: "lo", dhcp: "full" }] });
  expect(of("interface lo")).toMatchObject({ result: "fail", detail: expect.stringContaining("no range") });
  expect(exitCode).toBe(1);
});

test("a port of the control plane that is taken is told", () => {
  const taken = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const { of } = doctor({ labd: { listen: "127.0.0.1", port: taken.port } });
  expect(of(`port ${taken.port}/tcp`)).toMatchObject({ result: "warn" });
  taken.stop(true);
});
