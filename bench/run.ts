/**
 * Measures the product beside its peers, in one run on the same work.
 *
 *   bun bench/run.ts                 every bench
 *   bun bench/run.ts tftp-one …      these
 *   --rounds=5   --out=dist/bench    rounds after the warm-up; where the JSON goes
 *   --case=TEXT                     only the cases whose name holds TEXT
 *   --size=8     --no-build          MiB of the file, say, for a quick look; measure dist/labctl as it is
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { arch, cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { $ } from "bun";
import type { Bench, BenchContext } from "./definition.ts";
import { createPackages } from "./packages.ts";
import { pveClient, pveWaits } from "./pve-client.ts";
import { table } from "./report.ts";
import { tftpMany, tftpOne } from "./tftp.ts";

const benches: Bench[] = [tftpOne, tftpMany, pveClient, pveWaits];
const top = join(import.meta.dir, "..");
const flag = (name: string) =>
  process.argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
const names = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const unknown = names.filter((name) => !benches.some((bench) => bench.name === name));
if (unknown.length > 0) {
  console.error(
    `no such bench: ${unknown.join(", ")}; there are ${benches.map(({ name }) => name).join(", ")}`,
  );
  process.exit(2);
}

const out = flag("out") ?? join(top, "dist/bench");
await mkdir(out, { recursive: true });
const labctl = join(top, "dist/labctl");
if (!process.argv.includes("--no-build")) await $`${process.execPath} build.ts`.cwd(top);

const machine = {
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  memoryBytes: totalmem(),
  kernel: release(),
  arch: arch(),
  bun: Bun.version,
  labctl: (await $`${labctl} --version`.text()).trim(),
};
for (const bench of benches.filter(({ name }) => names.length === 0 || names.includes(name))) {
  const scratch = await mkdtemp(join(tmpdir(), "labctl-bench-"));
  try {
    console.log(`\n${bench.name}: ${bench.summary}`);
    const size = Number(flag("size") ?? bench.size);
    const context: BenchContext = {
      rounds: Number(flag("rounds") ?? 5),
      scratch,
      labctl,
      unpack: createPackages(join(out, "packages")),
      wanted: (name) => name.includes(flag("case") ?? ""),
      log: (line) => console.log(`  ${line}`),
    };
    const rows = await bench.run(context, size);
    console.log(table(bench, rows));
    const report = {
      bench: bench.name,
      summary: bench.summary,
      unit: bench.unit,
      better: bench.better,
      size,
      machine,
      rows,
    };
    await Bun.write(join(out, `${bench.name}.json`), `${JSON.stringify(report, null, 2)}\n`);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
