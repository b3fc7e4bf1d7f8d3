import { AppError } from "../platform/errors.ts";
import { pathMatches } from "./path-pattern.ts";
import type { ArchiveEntry } from "./ram-archive.ts";
import { decodeElf } from "./ram-elf.ts";

/** A file or symbolic link of an unpacked package; the path is relative and as on a merged-/usr system. */
export type PackageFile = { path: string; package: string } & (
  | { kind: "file"; mode: number }
  | { kind: "link"; target: string }
);

export interface ChosenFiles {
  entries: ArchiveEntry[];
  /** Names of the packages that gave at least one file. */
  packages: Set<string>;
}

/** Since Debian 12 `/bin`, `/sbin` and `/lib*` are links into `/usr`, while packages still ship both spellings. */
export function mergeUsr(path: string): string {
  return /^(bin|sbin|lib|lib32|lib64|libx32)(\/|$)/.test(path) ? `usr/${path}` : path;
}

/**
 * The wanted files of each package, the libraries and the loader they are linked to, and what their links point at.
 * A wanted path nobody holds throws `missing`: a package that moved a file must not give a RAM environment without it.
 */
export function chooseFiles(
  files: readonly PackageFile[],
  wanted: Readonly<Record<string, readonly string[]>>,
  without: readonly RegExp[],
  read: (file: PackageFile) => Uint8Array,
): ChosenFiles {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const libraries = indexLibraries(files);
  const chosen = new Map<string, ArchiveEntry>();
  const packages = new Set<string>();

  const visit = (file: PackageFile) => {
    if (chosen.has(file.path)) return;
    packages.add(file.package);
    if (file.kind === "link") {
      chosen.set(file.path, { kind: "link", path: file.path, target: file.target });
      const target = byPath.get(resolveLink(file.path, file.target));
      if (target) visit(target);
      return;
    }
    const content = read(file);
    chosen.set(file.path, { kind: "file", path: file.path, mode: file.mode & 0o755, content });
    const elf = decodeElf(content);
    if (!elf) return;
    for (const soname of elf.needed) {
      const library = libraries.get(soname);
      if (!library) {
        throw new AppError(
          "missing",
          `no package holds '${soname}', which ${file.path} of ${file.package} is linked to`,
          {
            hint: "a dependency was left out of the RAM environment: see withoutPackages",
          },
        );
      }
      visit(library);
    }
    const loader = elf.interpreter && byPath.get(resolveLink("", elf.interpreter));
    if (loader) visit(loader);
  };

  for (const [name, patterns] of Object.entries(wanted)) {
    const own = files.filter((file) => file.package === name);
    for (const pattern of patterns) {
      const matches = own.filter(({ path }) => pathMatches(path, pattern));
      if (matches.length === 0) {
        throw new AppError("missing", `the package '${name}' holds no '${pattern}'`, {
          hint: "this release of the distribution keeps it elsewhere: mend the list in ram-contents.ts",
        });
      }
      for (const file of matches) if (!without.some((not) => not.test(file.path))) visit(file);
    }
  }
  return { entries: [...chosen.values()], packages };
}

/** By file name, from the folders the loader searches. */
function indexLibraries(files: readonly PackageFile[]): Map<string, PackageFile> {
  const libraries = new Map<string, PackageFile>();
  for (const file of files) {
    const found = /^usr\/lib(64)?\/(?:[a-z0-9_]+-linux-gnu[a-z0-9]*\/)?(?:systemd\/)?([^/]+\.so[^/]*)$/.exec(
      file.path,
    );
    if (found?.[2] !== undefined) libraries.set(found[2], file);
  }
  return libraries;
}

/** The path a link in the tree leads to; `..` above the root stays at the root. */
function resolveLink(from: string, target: string): string {
  const parts = target.startsWith("/") ? [] : from.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return mergeUsr(parts.join("/"));
}
