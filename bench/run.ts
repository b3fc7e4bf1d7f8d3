/**
 * Measures the product beside its peers, in one run on the same work.
 *
 *   bun bench/run.ts                 every bench
 *   bun bench/run.ts tftp-one …      these
 *   --rounds=5   --out=dist/bench    rounds after the warm-up; where the JSON goes
 *   --case=TEXT                     only the cases whose name holds TEXT
 *   --quick                         a look: small sizes, two rounds
 *   --size=8     --no-build          MiB of the file, say, of one bench; measure dist/labctl as it is
 *
 * Unless --quick was said, docs/performance.md is written anew from all results there are (--document does it alone).
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { arch, cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { $ } from "bun";
import type { Bench, BenchContext } from "./definition.ts";
import { dhcp } from "./dhcp.ts";
import { dispatch } from "./dispatch.ts";
import { writeDocument } from "./document.ts";
import { httpFile } from "./http-file.ts";
import { idle } from "./idle.ts";
import { logFollow } from "./log-follow.ts";
import { logIngest } from "./log-ingest.ts";
import { packageSize } from "./package-size.ts";
import { createPeers } from "./packages.ts";
import { pveClient, pveWaits } from "./pve-client.ts";
import { table } from "./report.ts";
import { start } from "./start.ts";
import { storm } from "./storm.ts";
import { tftpMany, tftpOne } from "./tftp.ts";

const benches: Bench[] = [
  tftpOne,
  tftpMany,
  dhcp,
  httpFile,
  dispatch,
  logIngest,
  logFollow,
  storm,
  start,
  idle,
  packageSize,
  pveClient,
  pveWaits,
];
const top = join(import.meta.dir, "..");
const { values: flags, positionals: names } = readArguments();
const { quick, out } = flags;
await mkdir(out, { recursive: true });
const labctl = join(top, "dist/labctl");
if (!flags["no-build"]) await $`${process.execPath} build.ts`.cwd(top);

const machine = {
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  memoryBytes: totalmem(),
  kernel: release(),
  arch: arch(),
  bun: Bun.version,
  labctl: (await $`${labctl} --version`.text()).trim(),
};
const chosen = flags.document ? [] : benches.filter(({ name }) => names.length === 0 || names.includes(name));
for (const bench of chosen) {
  const scratch = await mkdtemp(join(tmpdir(), "labctl-bench-"));
  try {
    console.log(`\n${bench.name}: ${bench.summary}`);
    const size = Number(flags.size ?? (quick ? bench.quickSize : bench.size));
    const missing: string[] = [];
    const context: BenchContext = {
      rounds: Number(flags.rounds ?? (quick ? 2 : 5)),
      quick,
      scratch,
      labctl,
      ...createPeers(join(out, "packages"), (peer, why) => {
        missing.push(`${peer}: ${why}`);
        console.log(`  could not get ${peer}: ${why}`);
      }),
      wanted: (name) => name.includes(flags.case),
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
      quick,
      measuredAt: new Date().toISOString(),
      load: loadavg()[0],
      targets: bench.targets.map(({ cases, ...target }) => ({ cases: cases.source, ...target })),
      missing,
      machine,
      rows,
    };
    await Bun.write(join(out, `${bench.name}.json`), `${JSON.stringify(report, null, 2)}\n`);
  } catch (error) {
    // The others take an hour, and are none the worse for it.
    console.error(`${bench.name} failed: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
if (!quick) {
  const order = benches.map(({ name }) => name);
  await writeDocument(out, join(top, "docs"), order);
  console.log("\nwritten: docs/performance.md");
}

function readArguments() {
  try {
    const read = parseArgs({
      allowPositionals: true,
      options: {
        case: { type: "string", default: "" },
        document: { type: "boolean" },
        "no-build": { type: "boolean" },
        out: { type: "string", default: join(top, "dist/bench") },
        quick: { type: "boolean", default: false },
        rounds: { type: "string" },
        size: { type: "string" },
      },
    });
    const unknown = read.positionals.filter((name) => !benches.some((bench) => bench.name === name));
    if (unknown.length > 0)
      throw new Error(
        `no such bench: ${unknown.join(", ")}; there are ${benches.map(({ name }) => name).join(", ")}`,
      );
    return read;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(2);
  }
}
