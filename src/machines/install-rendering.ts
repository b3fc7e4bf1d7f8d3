import { AppError } from "../platform/errors.ts";
import type { Mac } from "../platform/mac.ts";
import type { JoinOffer } from "./enrolment.ts";
import type { InstallSpec } from "./install-spec.ts";
import type { Inventory } from "./inventory.ts";
import { findOperatingSystem } from "./operating-systems.ts";
import { type InstallImage, type RenderedInstall, renderInstall, type Templates } from "./render.ts";

/** What every install of this appliance shares. */
export interface InstallSettings {
  /** Put into every install besides its own. */
  sshKeys: readonly string[];
  kernelArgs: string;
  timezone: string;
  mirrors: Record<string, string>;
}

/** Asks the images room; a name that is not in its catalogue has no image. */
export type FindImage = (name: string) => InstallImage | undefined | Promise<InstallImage | undefined>;

export interface InstallTarget {
  spec: InstallSpec;
  mac: Mac;
  firmware: "bios" | "uefi";
  arch: "x86_64" | "arm64";
  baseUrl: string;
  token: string;
  inventory: Inventory | undefined;
  /** Of this machine, besides the appliance's. */
  kernelArgs: string | undefined;
  agent?: JoinOffer;
}

/** Renders one machine's install with the templates, images and settings there are now. @throws `invalid`. */
export type RenderFor = (target: InstallTarget) => Promise<RenderedInstall>;

export function createInstallRendering(
  templates: Templates,
  findImage: FindImage,
  settings: InstallSettings,
): RenderFor {
  return async ({ kernelArgs, inventory, ...target }) => {
    const image = findOperatingSystem(target.spec.os)?.image;
    const found = image === undefined ? undefined : await findImage(image);
    if (image !== undefined && found === undefined) {
      throw new AppError("invalid", `there is no image '${image}'`, {
        hint: "labctl image list shows those there are",
      });
    }
    return renderInstall(templates, {
      ...target,
      kernelArgs: joinArgs(settings.kernelArgs, kernelArgs),
      mirrors: settings.mirrors,
      timezone: settings.timezone,
      ...(found === undefined ? {} : { image: found }),
      ...(inventory === undefined ? {} : { inventory }),
    });
  };
}

export const joinArgs = (...args: (string | undefined)[]): string =>
  args.filter((each) => each !== undefined && each !== "").join(" ");
