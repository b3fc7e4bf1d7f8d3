import { statSync } from "node:fs";
import { join } from "node:path";
import { $ } from "bun";
import type { Bench, Measurement } from "./definition.ts";

const row = (name: string, bytes: number): Measurement => ({
  ...{ case: name, subject: "labctl", values: [bytes / 1e6], cpuSeconds: [], peakBytes: 0, failures: 0 },
});

export const packageSize: Bench = {
  name: "package",
  summary: "megabytes of what is downloaded and of what is installed",
  unit: "MB",
  better: "lower",
  size: 1,
  quickSize: 1,
  targets: [{ cases: /^(deb|rpm)$/, of: "value", must: 55, aim: 42 }],
  async run(context) {
    const rows = [row("executable", statSync(context.labctl).size)];
    const top = join(import.meta.dir, "..");
    const built = await context.goPeer("nfpm", "github.com/goreleaser/nfpm/v2", "v2.43.0");
    const nfpm = process.env.NFPM ?? Bun.which("nfpm") ?? built?.path;
    if (nfpm === undefined) return rows;
    await $`${process.execPath} build.ts --package --arch=amd64`
      .cwd(top)
      .env({ ...process.env, NFPM: nfpm })
      .quiet();
    for (const kind of ["deb", "rpm"]) {
      for (const file of new Bun.Glob(`dist/**/labctl[_-][0-9]*.${kind}`).scanSync({ cwd: top })) {
        if (/amd64|x86_64/.test(file)) rows.push(row(kind, statSync(join(top, file)).size));
      }
    }
    return rows;
  },
};
