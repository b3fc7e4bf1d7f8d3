import { readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import debianEarly from "../../kickstart/debian/early.sh" with { type: "text" };
import debianPreseed from "../../kickstart/debian/install.preseed" with { type: "text" };
import debianLate from "../../kickstart/debian/late.sh" with { type: "text" };
import debianPartition from "../../kickstart/debian/partition.sh" with { type: "text" };
import fedoraDiscover from "../../kickstart/fedora/discover.ks" with { type: "text" };
import fedoraInstall from "../../kickstart/fedora/install.ks" with { type: "text" };
import imageInstall from "../../kickstart/image/install.sh" with { type: "text" };
import libDisk from "../../kickstart/lib/disk.sh" with { type: "text" };
import libEfi from "../../kickstart/lib/efi.sh" with { type: "text" };
import libHost from "../../kickstart/lib/host.sh" with { type: "text" };
import libLayout from "../../kickstart/lib/layout.sh" with { type: "text" };
import libReport from "../../kickstart/lib/report.sh" with { type: "text" };
import ramCollect from "../../kickstart/ram/collect.sh" with { type: "text" };
import { AppError } from "../platform/errors.ts";
import type { TemplateTexts } from "./template.ts";

/** Every template of `kickstart/` this room renders, by its path there; a test holds it against the folder. */
export const embeddedTemplates: Readonly<Record<string, string>> = {
  "debian/early.sh": debianEarly,
  "debian/install.preseed": debianPreseed,
  "debian/late.sh": debianLate,
  "debian/partition.sh": debianPartition,
  "fedora/discover.ks": fedoraDiscover,
  "fedora/install.ks": fedoraInstall,
  "image/install.sh": imageInstall,
  "lib/disk.sh": libDisk,
  "lib/efi.sh": libEfi,
  "lib/host.sh": libHost,
  "lib/layout.sh": libLayout,
  "lib/report.sh": libReport,
  "ram/collect.sh": ramCollect,
};

/** Larger than any template; what is there by mistake is not read into memory. */
const maxBytes = 1024 * 1024;

/**
 * The embedded templates, each replaced by the file of the same path below `directory` where there is one.
 * Read anew on each call: an administrator's change counts from the next install on.
 * The answer throws `config` when such a file is there and cannot be used.
 */
export function createTemplates(directory: string): TemplateTexts {
  return (path) => {
    const file = join(directory, path);
    if (!resolve(file).startsWith(`${resolve(directory)}/`)) return undefined;
    return readOverride(file) ?? embeddedTemplates[path];
  };
}

function readOverride(file: string): string | undefined {
  let text: string;
  try {
    // Nearly never there, and asked for by each install: no exception for that.
    if (statSync(file, { throwIfNoEntry: false }) === undefined) return undefined;
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new AppError("config", `the template ${file} cannot be read`, {
      hint: "give the service's user leave to read it, or take it away to use the built-in one",
      cause,
    });
  }
  if (text.length > maxBytes) {
    throw new AppError("config", `the template ${file} is larger than ${maxBytes / 1024} KiB`);
  }
  return text;
}
