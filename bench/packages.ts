import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { $ } from "bun";
import type { BenchContext, Program } from "./definition.ts";

type Peers = Pick<BenchContext, "unpack" | "peer" | "goPeer">;

/**
 * Gets what is measured beside us: Debian packages, fetched once into `cache` and unpacked each set into a directory
 * of its own, and Go programs. `missing` hears of those that cannot be had.
 */
export function createPeers(cache: string, missing: (peer: string, why: string) => void): Peers {
  async function unpack(...packages: string[]): Promise<string> {
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
  }

  async function orMissing(name: string, get: () => Promise<Program>): Promise<Program | undefined> {
    try {
      return await get();
    } catch (error) {
      const said = error instanceof $.ShellError ? error.stderr.toString() : String(error);
      missing(name, said.trim().split("\n").at(-1)?.slice(0, 200) ?? "");
      return undefined;
    }
  }

  return {
    unpack,
    peer: (program, ...packages) =>
      orMissing(program, async () => {
        const installed = Bun.which(program, {
          PATH: "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin",
        });
        if (installed !== null) return { path: installed, env: {}, root: "" };
        const root = await unpack(...packages);
        const path = ["usr/sbin", "usr/bin"].map((folder) => join(root, folder, program)).find(existsSync);
        if (path === undefined) throw new Error(`${packages.join(", ")} has no program ${program}`);
        return { path, env: libraries(root), root };
      }),
    goPeer: (program, module, version) =>
      orMissing(program, async () => {
        const home = join(cache, `${program}-${version}`);
        const path = join(home, program);
        if (!existsSync(path)) {
          if (Bun.which("go") === null) throw new Error("there is no Go toolchain here");
          await mkdir(home, { recursive: true });
          await Bun.write(join(home, "go.mod"), `module bench\n\ngo 1.21\n\nrequire ${module} ${version}\n`);
          await $`go build -mod=mod -buildvcs=false -o ${path} ${module}/cmd/${program}`.cwd(home).quiet();
        }
        return { path, env: {}, root: "" };
      }),
  };
}

/** Where the libraries of an unpacked package are. */
export function libraries(root: string): Record<string, string> {
  const triplet = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  return { LD_LIBRARY_PATH: `${root}/usr/lib/${triplet}:${root}/lib/${triplet}` };
}
