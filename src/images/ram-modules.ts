import { pathMatches } from "./path-pattern.ts";

/** A kernel module as its file says: names with underscores, the path from `lib/modules/VERSION/kernel/`. */
export interface KernelModule {
  name: string;
  path: string;
  depends: string[];
  softDepends: string[];
  firmware: string[];
}

/** `drivers/net/e1000e/e1000e.ko` with its `.modinfo` → the module. */
export function readModule(path: string, info: ReadonlyMap<string, readonly string[]>): KernelModule {
  const file = path.slice(path.lastIndexOf("/") + 1);
  const list = (key: string) =>
    (info.get(key) ?? []).flatMap((value) => value.split(/[\s,]+/)).filter(Boolean);
  return {
    name: moduleName(file.replace(/\.ko$/, "")),
    path,
    depends: list("depends").map(moduleName),
    // "pre: a b post: c": both are loaded with it
    softDepends: list("softdep")
      .filter((word) => !word.endsWith(":"))
      .map(moduleName),
    firmware: [...(info.get("firmware") ?? [])],
  };
}

/** The kernel treats `-` and `_` in module names as one. */
const moduleName = (name: string) => name.replaceAll("-", "_");

/**
 * The modules that match a wanted pattern and none of `without`, and all they depend on, sorted by path.
 */
export function chooseModules(
  all: readonly KernelModule[],
  wanted: readonly string[],
  without: readonly string[],
): KernelModule[] {
  const byName = new Map(all.map((module) => [module.name, module]));
  const chosen = new Set<KernelModule>();
  const visit = (module: KernelModule) => {
    if (chosen.has(module)) return;
    chosen.add(module);
    for (const name of [...module.depends, ...module.softDepends]) {
      const next = byName.get(name);
      if (next) visit(next);
    }
  };
  for (const module of all) {
    if (!wanted.some((pattern) => pathMatches(module.path, pattern))) continue;
    if (without.some((pattern) => pathMatches(module.path, pattern))) continue;
    visit(module);
  }
  return [...chosen].sort((a, b) => (a.path < b.path ? -1 : 1));
}
