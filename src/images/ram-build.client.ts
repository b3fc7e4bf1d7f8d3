import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../platform/errors.ts";
import { type Apt, openApt } from "./apt.client.ts";
import { type ArchiveEntry, encodeArchive } from "./ram-archive.ts";
import {
  debianArchitecture,
  firmwarePackages,
  moduleFolders,
  packageFiles,
  type RamArchitecture,
  withoutFiles,
  withoutModules,
  withoutPackages,
} from "./ram-contents.ts";
import type { RamManifest } from "./ram-manifest.ts";
import { chooseModules, type KernelModule } from "./ram-modules.ts";
import { closePackages, findKernelPackage, type Package } from "./ram-packages.ts";
import { layOut, type RamScript } from "./ram-skeleton.ts";
import { type ChosenFiles, chooseFiles } from "./ram-tree.ts";
import {
  type UnpackedKernel,
  type UnpackedPackages,
  unpackKernel,
  unpackPackages,
} from "./ram-unpack.client.ts";
import { requirePrograms, runTool } from "./tool.client.ts";

export interface RamBuild {
  architecture: RamArchitecture;
  /** Gets `vmlinuz`, `initrd.img` and `manifest.json`, each replaced in one step. */
  outputFolder: string;
  /** Keeps package lists and packages from one build to the next. */
  cacheFolder: string;
  /** What runs in it, from `kickstart/ram`. */
  scripts: readonly RamScript[];
  progress(what: string): void;
}

/** The host's programs a build runs, with the package of each. */
const tools: [program: string, inPackage: string][] = [
  ["apt-get", "apt"],
  ["apt-cache", "apt"],
  ["dpkg-deb", "dpkg"],
  ["depmod", "kmod"],
  ["xz", "xz-utils"],
];

/** Level 19 saves another tenth of the size and takes ten times as long. */
const compressionLevel = 9;

/** Makes the RAM environment from the host's Debian sources; the same packages and scripts give the same bytes. */
export async function buildRam(build: RamBuild): Promise<RamManifest> {
  const { architecture, progress } = build;
  requirePrograms(tools);
  prepareFolder(build.outputFolder);
  const debian = debianArchitecture[architecture];
  const apt = await openApt(join(build.cacheFolder, architecture), debian);
  progress("reading the package lists");
  const available = await apt.list();
  const kernelPackage = findKernelPackage(available, debian);
  const packages = closePackages(available, Object.keys(packageFiles), withoutPackages);
  const firmware = firmwarePackages.flatMap((name) => available.get(name) ?? []);

  progress(`fetching ${packages.length + firmware.length} packages and the kernel ${kernelPackage.version}`);
  const debs = await fetchAll(apt, [kernelPackage, ...packages, ...firmware]);

  const work = mkdtempSync(join(tmpdir(), "labctl-ram-"));
  try {
    progress("unpacking");
    const kernel = await unpackKernel(debs(kernelPackage), work);
    const folders = [...moduleFolders.all, ...moduleFolders[architecture]];
    const modules = chooseModules(kernel.modules, folders, withoutModules);
    const tools = await unpackPackages(
      packages.map((one) => ({ name: one.name, deb: debs(one) })),
      work,
    );
    const blobs = await unpackPackages(
      firmware.map((one) => ({ name: one.name, deb: debs(one) })),
      work,
    );

    progress(`choosing files and ${modules.length} of ${kernel.modules.length} modules`);
    const chosen = chooseFiles(tools.files, packageFiles, withoutFiles, tools.read);
    const chosenBlobs = chooseFirmware(blobs, modules);
    const moduleEntries = await indexModules(kernel, modules, work);

    progress("packing");
    const archive = encodeArchive(
      layOut([...chosen.entries, ...chosenBlobs.entries, ...moduleEntries], build.scripts),
    );
    const initrd = Bun.zstdCompressSync(archive, { level: compressionLevel });
    const used = [...packages, ...firmware].filter(
      ({ name }) => chosen.packages.has(name) || chosenBlobs.packages.has(name),
    );
    const manifest = describe(architecture, kernel, initrd, [kernelPackage, ...used]);
    writeWhole(build.outputFolder, {
      vmlinuz: kernel.image,
      "initrd.img": initrd,
      "manifest.json": new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`),
    });
    return manifest;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function fetchAll(apt: Apt, packages: readonly Package[]): Promise<(one: Package) => string> {
  const paths = await apt.download(packages);
  const byName = new Map(packages.map((one, index) => [one.name, paths[index] ?? ""]));
  return ({ name }) => byName.get(name) ?? "";
}

/** Of the firmware packages, the files that the chosen modules name. */
function chooseFirmware(blobs: UnpackedPackages, modules: readonly KernelModule[]): ChosenFiles {
  const named = new Set(modules.flatMap((module) => module.firmware));
  const wanted: Record<string, string[]> = {};
  for (const { path, package: name } of blobs.files) {
    if (!named.has(path.replace(/^usr\/lib\/firmware\//, ""))) continue;
    wanted[name] ??= [];
    wanted[name].push(path);
  }
  return chooseFiles(blobs.files, wanted, [], blobs.read);
}

/** The chosen modules with the indexes depmod makes for them. */
async function indexModules(
  kernel: UnpackedKernel,
  modules: readonly KernelModule[],
  work: string,
): Promise<ArchiveEntry[]> {
  const root = join(work, "indexed");
  const folder = join(root, "lib/modules", kernel.release);
  const entries: ArchiveEntry[] = [];
  const prefix = `usr/lib/modules/${kernel.release}`;
  for (const module of modules) {
    const content = kernel.readModule(module);
    const path = join(folder, "kernel", module.path);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, content);
    entries.push({ kind: "file", path: `${prefix}/kernel/${module.path}`, mode: 0o644, content });
  }
  for (const { name, content } of kernel.lists) writeFileSync(join(folder, name), content);
  await runTool(["depmod", "--basedir", root, kernel.release], { package: "kmod" });
  for (const name of readdirSync(folder)) {
    // the readers want the binary indexes; the text ones are for people
    if (!/^modules\.(.*\.bin|softdep|order|builtin\.modinfo|dep|alias)$/.test(name)) continue;
    entries.push({
      kind: "file",
      path: `${prefix}/${name}`,
      mode: 0o644,
      content: readFileSync(join(folder, name)),
    });
  }
  return entries;
}

function describe(
  architecture: RamArchitecture,
  kernel: UnpackedKernel,
  initrd: Uint8Array,
  packages: readonly Package[],
): RamManifest {
  const file = (content: Uint8Array) => ({
    bytes: content.length,
    sha256: new Bun.CryptoHasher("sha256").update(content).digest("hex"),
  });
  return {
    version: 1,
    architecture,
    kernel: kernel.release,
    files: { vmlinuz: file(kernel.image), "initrd.img": file(initrd) },
    packages: packages
      .map(({ name, version, sha256 }) => ({ name, version, sha256 }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** Before the long work: a folder that cannot be written to would be found out at its end. */
function prepareFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    throw new AppError("forbidden", `${folder} cannot be written to`, {
      hint: "run it as root, or name another folder: --to FOLDER",
      cause,
    });
  }
}

function writeWhole(folder: string, files: Record<string, Uint8Array>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    writeFileSync(`${path}.new`, content);
    renameSync(`${path}.new`, path);
  }
}
