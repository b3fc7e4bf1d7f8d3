import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { $ } from "bun";

/** Fetches Debian packages once into `cache` and unpacks each set into a directory of its own. */
export function createPackages(cache: string): (...packages: string[]) => Promise<string> {
  return async (...packages) => {
    const root = join(cache, packages.join("+"));
    if (existsSync(root)) return root;
    const partial = `${root}.part`;
    await mkdir(partial, { recursive: true });
    await $`apt-get download ${packages}`.cwd(partial).quiet();
    for (const file of new Bun.Glob("*.deb").scanSync(partial)) {
      await $`dpkg-deb --extract ${file} .`.cwd(partial).quiet();
    }
    await rename(partial, root);
    return root;
  };
}
