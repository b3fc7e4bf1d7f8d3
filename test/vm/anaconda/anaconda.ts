import { readFileSync } from "node:fs";
import { join } from "node:path";
import { addToRam } from "../ram-addition.ts";

/**
 * Fedora's installer images cannot be had everywhere: writes an initrd to `path` that stands for them, the RAM
 * environment with `anaconda.sh` for its discovery. `before` holds scripts that run before a kickstart does, by
 * the host name it gives.
 */
export function buildAnaconda(path: string, before: Readonly<Record<string, string>> = {}): void {
  const scripts = Object.entries(before).map(([name, text]) => [`usr/lib/labctl/before-${name}`, text]);
  addToRam(path, {
    ...Object.fromEntries(scripts),
    "usr/lib/labctl/discover.sh": readFileSync(join(import.meta.dir, "anaconda.sh"), "utf8"),
    // `systemctl --force --force poweroff`, the one way it is called.
    "usr/bin/systemctl": '#!/bin/sh\nexec "$3" -f\n',
  });
}
