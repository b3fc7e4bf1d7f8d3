import { AppError } from "../platform/errors.ts";

/** What the archive says about one package (Debian Policy 5.3), as far as the builder asks. */
export interface Package {
  name: string;
  version: string;
  architecture: string;
  sha256: string;
  depends: string[][];
  provides: string[];
}

const wanted = new Set([
  "Package",
  "Version",
  "Architecture",
  "SHA256",
  "Depends",
  "Pre-Depends",
  "Provides",
]);

/** Reads the stanzas of a Packages file, `apt-cache dumpavail`'s output. The first stanza of a name counts. */
export function parsePackages(text: string): Map<string, Package> {
  const packages = new Map<string, Package>();
  let fields = new Map<string, string>();
  const finish = () => {
    const found = toPackage(fields);
    if (found && !packages.has(found.name)) packages.set(found.name, found);
    fields = new Map();
  };
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    if (end === at) {
      finish();
    } else {
      const colon = text.indexOf(":", at);
      const key = colon > at && colon < end ? text.slice(at, colon) : "";
      if (wanted.has(key)) fields.set(key, text.slice(colon + 1, end).trim());
    }
    at = end + 1;
  }
  finish();
  return packages;
}

function toPackage(fields: Map<string, string>): Package | undefined {
  const name = fields.get("Package");
  const version = fields.get("Version");
  if (name === undefined || version === undefined) return undefined;
  return {
    name,
    version,
    architecture: fields.get("Architecture") ?? "all",
    sha256: fields.get("SHA256") ?? "",
    depends: [...parseRelations(fields.get("Pre-Depends")), ...parseRelations(fields.get("Depends"))],
    provides: parseRelations(fields.get("Provides")).flat(),
  };
}

/** `a (>= 1), b | c:any` → `[["a"], ["b", "c"]]` (Debian Policy 7.1); versions are the archive's own business. */
function parseRelations(field: string | undefined): string[][] {
  if (field === undefined || field === "") return [];
  return field
    .split(",")
    .map((group) => group.split("|").map((name) => name.trim().replace(/[\s:(].*$/, "")))
    .filter((group) => group.some((name) => name !== ""));
}

/**
 * The roots and all they depend on, sorted by name. Of alternatives the first that exists is taken.
 * `without` names what only a running Debian needs (its package manager, init scripts, perl).
 */
export function closePackages(
  packages: ReadonlyMap<string, Package>,
  roots: readonly string[],
  without: ReadonlySet<string>,
): Package[] {
  const providers = new Map<string, Package>();
  for (const found of packages.values()) {
    for (const virtual of found.provides) if (!providers.has(virtual)) providers.set(virtual, found);
  }
  const find = (name: string) => packages.get(name) ?? providers.get(name);
  const chosen = new Map<string, Package>();
  const visit = (found: Package) => {
    if (chosen.has(found.name)) return;
    chosen.set(found.name, found);
    for (const alternatives of found.depends) {
      if (alternatives.some((name) => without.has(name))) continue;
      const next = alternatives.map(find).find((candidate) => candidate !== undefined);
      if (next === undefined) {
        throw new AppError(
          "missing",
          `no package satisfies '${alternatives.join(" | ")}', wanted by ${found.name}`,
          {
            hint: "check that apt's sources hold the distribution's main component",
          },
        );
      }
      if (!without.has(next.name)) visit(next);
    }
  };
  for (const name of roots) {
    const root = find(name);
    if (root === undefined) {
      throw new AppError("missing", `the package '${name}' is in none of apt's sources`, {
        hint: "check that apt's sources hold Debian's main component",
      });
    }
    visit(root);
  }
  return [...chosen.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The package that holds the kernel, which `linux-image-amd64` and its kin only point to. */
export function findKernelPackage(packages: ReadonlyMap<string, Package>, architecture: string): Package {
  const name = `linux-image-${architecture}`;
  const pointed = packages
    .get(name)
    ?.depends.flat()
    .find((depended) => depended.startsWith("linux-image-"));
  const kernel = pointed === undefined ? undefined : packages.get(pointed);
  if (kernel === undefined) {
    throw new AppError("missing", `the package '${name}' is in none of apt's sources`, {
      hint: "the RAM environment is made from Debian's signed kernel: add Debian's main component to apt's sources",
    });
  }
  return kernel;
}
