import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { aptMirror } from "./apt-sources.ts";

/** The mirror of Debian's archive this host itself uses; `undefined` where there is none. */
export function readAptMirror(folder = "/etc/apt"): string | undefined {
  const parts = attempt(() => readdirSync(join(folder, "sources.list.d"))) ?? [];
  const paths = ["sources.list", ...parts.sort().map((name) => join("sources.list.d", name))];
  return aptMirror(
    paths
      .filter((path) => /\.(list|sources)$/.test(path))
      .flatMap((path) => attempt(() => readFileSync(join(folder, path), "utf8")) ?? []),
  );
}

/** What is not there or may not be read is not configured, as far as we are concerned. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
