import { AppError } from "../platform/errors.ts";
import { findOperatingSystem, type OperatingSystem } from "./operating-systems.ts";
import { debianBoot, imageBoot, kickstartBoot } from "./render-boot.ts";
import type { BootFiles, RenderContext, RenderedInstall } from "./render-context.ts";
import { templateValues } from "./render-values.ts";
import { renderTemplate, type Templates } from "./template.ts";

export type { BootFiles, InstallImage, RenderContext, RenderedInstall } from "./render-context.ts";
export type { Templates, TemplateTexts } from "./template.ts";

/** The files an installer fetches, and the template each is rendered from. */
const filesOf: Record<OperatingSystem["family"], Record<string, string>> = {
  kickstart: { "install.ks": "fedora/install.ks" },
  debian: {
    "preseed.cfg": "debian/install.preseed",
    "early.sh": "debian/early.sh",
    "partition.sh": "debian/partition.sh",
    "late.sh": "debian/late.sh",
  },
  image: { "install.sh": "image/install.sh" },
};

/**
 * Renders everything one machine needs to install.
 * @throws `invalid`, naming template, line and variable; or the disk, image or mirror that is missing.
 */
export function renderInstall(templates: Templates, context: RenderContext): RenderedInstall {
  const system = findOperatingSystem(context.spec.os);
  if (system === undefined) throw new AppError("invalid", `'${context.spec.os}' is not a known system`);
  const values = templateValues(context, system);
  const files = Object.entries(filesOf[system.family]).map(([name, path]) => [
    name,
    renderTemplate(templates, path, values),
  ]);
  return { files: Object.fromEntries(files), boot: bootOf(context, system) };
}

function bootOf(context: RenderContext, system: OperatingSystem): BootFiles {
  if (system.family === "kickstart") return kickstartBoot(context, system);
  return system.family === "debian" ? debianBoot(context, system) : imageBoot(context);
}
