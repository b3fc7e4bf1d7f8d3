import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { executable, ramDirectory } from "./bastion.ts";
import { top } from "./lab.ts";
import { run } from "./process.ts";

const ramImage = join(ramDirectory, "x86_64/initrd.img");

/** Builds dist/labctl from the sources as they are. */
export async function buildExecutable(): Promise<string> {
  await run([process.execPath, "build.ts"], { cwd: top });
  return (await run([executable, "--version"])).trim();
}

/** Builds the RAM environment, unless the one in dist/ is newer than everything it is made of. */
export async function buildRam(): Promise<void> {
  if (!isStale(ramImage, "{kickstart/ram/**,kickstart/lib/**,src/images/ram*.ts,build-ram.ts}")) return;
  await run(["npm", "run", "-s", "build:ram"], { cwd: top, timeoutMs: 20 * 60_000 });
}

function isStale(product: string, sources: string): boolean {
  if (!existsSync(product)) return true;
  const made = statSync(product).mtimeMs;
  return [...new Bun.Glob(sources).scanSync({ cwd: top })].some(
    (file) => !file.endsWith(".test.ts") && statSync(join(top, file)).mtimeMs > made,
  );
}
