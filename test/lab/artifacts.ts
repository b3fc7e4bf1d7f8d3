import { existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { executable, ramDirectory } from "./bastion.ts";
import { top } from "./lab.ts";
import { run } from "./process.ts";

/** Builds dist/labctl from the sources as they are. */
export async function buildExecutable(): Promise<string> {
  await run([process.execPath, "build.ts"], { cwd: top });
  return (await run([executable, "--version"])).trim();
}

/** The executable for the other architecture; its path. */
export async function buildArm64(): Promise<string> {
  const outfile = join(top, "dist/labctl-linux-arm64");
  await run([process.execPath, "build.ts", "--target=bun-linux-arm64", `--outfile=${outfile}`], { cwd: top });
  return outfile;
}

/** Builds the RAM environment, unless the one in dist/ is newer than everything it is made of. */
export async function buildRam(architecture: "x86_64" | "arm64" = "x86_64"): Promise<void> {
  if (!isStale(join(ramDirectory, architecture, "initrd.img"), ["kickstart/ram/*.sh", "src/images/ram*.ts"]))
    return;
  await run(["npm", "run", "-s", "build:ram", "--", "--arch", architecture], {
    cwd: top,
    timeoutMs: 20 * 60_000,
  });
}

/** A small Debian as a disk image, kept until what makes it changes. */
export async function buildDiskImage(): Promise<string> {
  const file = join(top, "dist/cache/debian-12.raw.zst");
  if (isStale(file, ["src/images/{image-build.client,image-recipe,grub-embedding}.ts"])) {
    mkdirSync(dirname(file), { recursive: true });
    const part = join(dirname(file), "part.raw.zst");
    rmSync(part, { force: true });
    await run([executable, "image", "build", "debian-12", "--to", part], { timeoutMs: 60 * 60_000 });
    renameSync(part, file);
  }
  return file;
}

/** A key nobody has the other half of: an install is refused when nobody could log in. */
export const labKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f lab";

function isStale(product: string, sources: readonly string[]): boolean {
  if (!existsSync(product)) return true;
  const made = statSync(product).mtimeMs;
  return sources.some((pattern) => {
    const files = [...new Bun.Glob(pattern).scanSync({ cwd: top })];
    // Bun finds nothing, and says nothing, for braces with a slash in them.
    if (files.length === 0) throw new Error(`no source matches ${pattern}`);
    return files.some((file) => !file.endsWith(".test.ts") && statSync(join(top, file)).mtimeMs > made);
  });
}
