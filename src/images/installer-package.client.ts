import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../platform/errors.ts";
import { openApt } from "./apt.client.ts";
import { runTool } from "./tool.client.ts";

/**
 * Debian's installer from the package that carries it, for mirrors without the installer's own images: apt
 * proves it. Puts `linux` and `initrd.gz` into `folder`.
 */
export async function unpackInstallerPackage(release: string, folder: string): Promise<string> {
  const work = mkdtempSync(join(tmpdir(), "labctl-installer-"));
  try {
    const apt = await openApt(work, "amd64");
    const name = `debian-installer-${release}-netboot-amd64`;
    const found = (await apt.list()).get(name);
    if (found === undefined) {
      throw new AppError("not-found", `the host's package sources have no ${name}`, {
        hint: "name a full mirror: labctl config set install.mirrors.debian URL",
      });
    }
    const [deb = ""] = await apt.download([found]);
    const tree = join(work, "tree");
    await runTool(["dpkg-deb", "-x", deb, tree], { package: "dpkg" });
    const files = join(tree, "usr/lib/debian-installer/images", release, "amd64/text/debian-installer/amd64");
    for (const file of ["linux", "initrd.gz"]) {
      if (!existsSync(join(files, file))) throw new AppError("failed", `${name} holds no ${file}`);
      cpSync(join(files, file), join(folder, file));
    }
    return `${name} ${found.version}`;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
