import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readArchives } from "../../lab/apt-proxy.ts";
import { top } from "../../lab/lab.ts";
import { run, tryRun } from "../../lab/process.ts";

/**
 * What debian-installer fetches in any install with LVM, besides what its initrd holds: without one of them it
 * stops in the middle. (Its own choice is larger; these it cannot do without.)
 */
const needed = [
  ...["anna", "base-installer", "bootstrap-base", "apt-setup-udeb", "grub-installer", "user-setup-udeb"],
  ...["partman-base", "partman-auto", "partman-auto-lvm", "partman-lvm", "parted-udeb", "lvm2-udeb"],
  ...["pkgsel", "finish-install", "clock-setup"],
];

/** The first component that the package archive of this machine's apt lists and does not have. */
export async function findMissingUdeb(release: string): Promise<string | undefined> {
  const { debian } = await readArchives();
  const home = join(top, "dist/cache/udebs");
  mkdirSync(home, { recursive: true });
  const list = join(home, "Packages.xz");
  const source = `${debian}/dists/${release}/main/debian-installer/binary-amd64/Packages.xz`;
  if (!(await download(source, list))) return "the list of installer components";
  const paths = new Map<string, string>();
  for (const stanza of (await run(["xz", "-dc", list])).split("\n\n")) {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(stanza)?.[1];
    const [name, path] = [field("Package"), field("Filename")];
    if (name !== undefined && path !== undefined) paths.set(name, path);
  }
  for (const name of needed) {
    const path = paths.get(name);
    const file = join(home, `${name}.udeb`);
    if (path === undefined) return name;
    if (existsSync(file) && readFileSync(file).length > 0) continue;
    if (!(await download(`${debian}/${path}`, file))) return path.split("/").at(-1) ?? name;
  }
  return undefined;
}

async function download(url: string, file: string): Promise<boolean> {
  const helper = ["/usr/lib/apt/apt-helper", "-o", "APT::Sandbox::User=root", "download-file", url, file];
  return (await tryRun(helper)).status === 0;
}
