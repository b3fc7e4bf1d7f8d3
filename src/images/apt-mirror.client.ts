import { readdirSync, readFileSync } from "node:fs";
import { aptMirror } from "./apt-sources.ts";

/** The mirror of Debian's archive this host itself uses; `undefined` where there is none. */
export function readAptMirror(folder = "/etc/apt"): string | undefined {
  const texts: string[] = [];
  try {
    const parts = readdirSync(`${folder}/sources.list.d`).map((name) => `${folder}/sources.list.d/${name}`);
    for (const path of [`${folder}/sources.list`, ...parts]) {
      if (/\.(list|sources)$/.test(path)) texts.push(readFileSync(path, "utf8"));
    }
  } catch {
    // No such file, or none that may be read: what was found so far has to do.
  }
  return aptMirror(texts);
}
