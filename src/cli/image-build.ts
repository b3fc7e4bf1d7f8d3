import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { recipeSystems } from "../images/image-recipe.ts";
import { ramArchitectures } from "../images/ram-contents.ts";
import { AppError } from "../platform/errors.ts";
import { outputFlag } from "./define.ts";
import { imageColumns } from "./image-columns.ts";
import { addImage, megabytes } from "./image-work.ts";
import { note, print, printRecord } from "./output.ts";
import { defineRemoteCommand } from "./remote.ts";
import { loadDaemonConfig, outputFormat } from "./settings.ts";

const host = process.arch === "arm64" ? "arm64" : "x86_64";

export const build = defineRemoteCommand({
  summary: "make a disk image, or the RAM environment, from Debian's packages",
  example: "labctl image build debian-12",
  args: {
    what: {
      type: "positional",
      description: `${recipeSystems.join(" or ")}, or ram: what machines are discovered in`,
      required: true,
    },
    arch: { type: "enum", options: [...ramArchitectures], description: "of ram; by default this host's" },
    name: { type: "string", description: "the image's name; by default that of the system" },
    mirror: { type: "string", description: "where packages come from; by default as this host's apt" },
    include: { type: "string", description: "more packages, joined by commas" },
    to: {
      type: "string",
      description: "write the image to this file and add it to no catalogue; of ram, the folder (ramDir)",
    },
    cache: { type: "string", description: "of ram, the folder that keeps packages for the next time" },
    replace: { type: "boolean", description: "put it in the place of an image of that name" },
    ...outputFlag,
  },
  async run({ what, arch, name, mirror, include, to, cache, replace, output }, { client }) {
    if (what === "ram") {
      refuse(
        { "--name": name, "--mirror": mirror, "--include": include, "--replace": replace },
        "a disk image",
      );
      await buildRamEnvironment(arch ?? host, to, cache);
      return;
    }
    refuse({ "--arch": arch, "--cache": cache }, "ram");
    const { buildImage } = await import("../images/image-build.client.ts");
    const built = await buildImage({ os: what, mirror, include: include?.split(",") ?? [], to }, note);
    try {
      if (to !== undefined) {
        note(`wrote ${to}, ${megabytes(built.size)}, sha256 ${built.sha256}`);
        return;
      }
      const wanted = {
        name: name ?? what,
        file: built.path,
        source: "built",
        sha256: built.sha256,
        replace: replace === true,
      };
      printRecord(await addImage(client, wanted), imageColumns, outputFormat(output));
    } finally {
      await built.discard();
    }
  },
});

function refuse(flags: Record<string, unknown>, goesWith: string): void {
  const given = Object.entries(flags).find(([, value]) => value !== undefined && value !== false);
  if (given !== undefined) throw new AppError("usage", `${given[0]} goes with ${goesWith} alone`);
}

/** Where the daemon looks for it, unless told otherwise: the next machine that boots gets the new one. */
async function buildRamEnvironment(
  architecture: (typeof ramArchitectures)[number],
  to: string | undefined,
  cache: string | undefined,
): Promise<void> {
  const { buildRam } = await import("../images/ram-build.client.ts");
  const { ramScripts } = await import("../images/ram-scripts.ts");
  const folder = join(resolve(to ?? loadDaemonConfig().ramDir), architecture);
  const manifest = await buildRam({
    architecture,
    outputFolder: folder,
    cacheFolder: resolve(cache ?? defaultCache()),
    scripts: ramScripts,
    progress: note,
  });
  print(folder);
  const size = megabytes(manifest.files["initrd.img"].bytes);
  note(`Linux ${manifest.kernel}, initrd ${size}, made of ${manifest.packages.length} packages`);
}

const defaultCache = () =>
  process.getuid?.() === 0
    ? "/var/cache/labctl/ram"
    : join(process.env.XDG_CACHE_HOME ?? join(process.env.HOME ?? homedir(), ".cache"), "labctl/ram");
