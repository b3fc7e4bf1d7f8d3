import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { decodeElf } from "./ram-elf.ts";
import { type KernelModule, readModule } from "./ram-modules.ts";
import { mergeUsr, type PackageFile } from "./ram-tree.ts";
import { runTool } from "./tool.client.ts";

/** Packages laid out side by side under one folder; none of their scripts runs. */
export interface UnpackedPackages {
  files: PackageFile[];
  read(file: PackageFile): Uint8Array;
}

export async function unpackPackages(
  packages: readonly { name: string; deb: string }[],
  into: string,
): Promise<UnpackedPackages> {
  const onDisk = new Map<PackageFile, string>();
  for (const { name, deb } of packages) {
    const root = join(into, name);
    await unpack(deb, root);
    for (const found of readdirSync(root, { recursive: true, withFileTypes: true })) {
      const full = join(found.parentPath, found.name);
      const path = mergeUsr(full.slice(root.length + 1));
      if (found.isSymbolicLink()) {
        onDisk.set({ kind: "link", path, package: name, target: readlinkSync(full) }, full);
      } else if (found.isFile()) {
        onDisk.set({ kind: "file", path, package: name, mode: lstatSync(full).mode & 0o777 }, full);
      }
    }
  }
  return {
    files: [...onDisk.keys()],
    read: (file) => readFileSync(onDisk.get(file) ?? ""),
  };
}

export interface UnpackedKernel {
  /** As `uname -r` says it. */
  release: string;
  image: Uint8Array;
  modules: KernelModule[];
  /** `modules.order` and `modules.builtin*`, which depmod wants beside the modules. */
  lists: { name: string; content: Uint8Array }[];
  readModule(module: KernelModule): Uint8Array;
}

export async function unpackKernel(deb: string, into: string): Promise<UnpackedKernel> {
  const root = join(into, "kernel");
  await unpack(deb, root);
  const image = readdirSync(join(root, "boot")).find((name) => name.startsWith("vmlinu")) ?? "vmlinuz-";
  const release = basename(image).replace(/^vmlinu[xz]-/, "");
  const folder =
    [join(root, "usr/lib/modules", release), join(root, "lib/modules", release)].find(isFolder) ?? root;
  const paths = () => readdirSync(join(folder, "kernel"), { recursive: true, encoding: "utf8" }).sort();
  // from Debian 13 on they come compressed; the signature is inside
  const compressed = paths().filter((path) => path.endsWith(".ko.xz"));
  if (compressed.length > 0) {
    await runTool(["xz", "--decompress", ...compressed], {
      package: "xz-utils",
      cwd: join(folder, "kernel"),
    });
  }
  return {
    release,
    image: readFileSync(join(root, "boot", image)),
    modules: paths()
      .filter((path) => path.endsWith(".ko"))
      .map((path) =>
        readModule(path, decodeElf(readFileSync(join(folder, "kernel", path)))?.moduleInfo ?? new Map()),
      ),
    lists: readdirSync(folder)
      .filter((name) => /^modules\.(order|builtin)/.test(name))
      .map((name) => ({ name, content: readFileSync(join(folder, name)) })),
    readModule: (module) => readFileSync(join(folder, "kernel", module.path)),
  };
}

async function unpack(deb: string, into: string): Promise<void> {
  mkdirSync(into, { recursive: true });
  await runTool(["dpkg-deb", "--extract", deb, into], { package: "dpkg" });
}

function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
