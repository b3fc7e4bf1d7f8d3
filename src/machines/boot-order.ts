import type { Mac } from "../platform/mac.ts";
import type { MachineState } from "./model.ts";
import type { BootFiles } from "./render-context.ts";

export type { BootFiles } from "./render-context.ts";

export type Firmware = "bios" | "uefi";
export type Arch = "x86_64" | "arm64";

/** What a machine's boot script is asked with. */
export interface BootRequest {
  mac: Mac;
  uuid?: string;
  serial?: string;
  firmware: Firmware;
  arch: Arch;
  /** Which loader reads the answer. */
  via: "ipxe" | "grub";
  clientIp: string;
  /** What the machine reaches us by: `http://10.0.0.1:8080`, no slash at the end. */
  baseUrl: string;
}

/** How a machine is handed to its disk; which one works depends on the firmware. */
export const localBootMethods = ["auto", "exit", "sanboot", "chainload"] as const;
export type LocalBoot = (typeof localBootMethods)[number];

export type BootOrder =
  /** Not known yet: boot the RAM environment and report what the machine is. */
  | { kind: "discover"; boot: BootFiles }
  | { kind: "install"; installId: string; token: string; name: string; boot: BootFiles }
  | { kind: "local"; method: LocalBoot; reason: string }
  /** Somebody may choose; left alone, it boots the local disk. `discover` is the other choice. */
  | { kind: "menu"; localMethod: LocalBoot; reason: string; discover: BootFiles };

/** What an administrator set for one machine because its firmware needs it. */
export interface MachineBootOptions {
  /** The loader offered to UEFI firmware; the configuration's `boot.uefi` when absent. */
  uefi?: "ipxe" | "snponly" | "grub";
  /** Send PXE discovery control 8 (option 43.6); the configuration's when absent. */
  discoveryControl?: boolean;
  localBoot?: LocalBoot;
  /** What it boots once discovered while nothing is queued; by default its disks decide: empty ones mean discovery. */
  idle?: "discover" | "local";
  /** Added to the kernel arguments of everything this machine boots. */
  kernelArgs?: string;
}

export type BootDecision =
  | { kind: "discover" }
  | { kind: "install"; installId: string }
  | { kind: "local"; reason: string }
  | { kind: "menu"; reason: string };

/**
 * Which of them the machine gets. An install is handed out only while it is queued: once its data was
 * fetched the disk comes first, so that a lost last report never means installing again and again.
 */
export function decideBoot(
  state: MachineState | undefined,
  { emptyDisks, idle }: { emptyDisks: boolean; idle?: "discover" | "local" | undefined },
): BootDecision {
  switch (state?.kind) {
    case undefined:
      return { kind: "discover" };
    case "queued":
      return { kind: "install", installId: state.installId };
    case "discovered": {
      // A machine that runs something may only have been restarted: it must come up as it was.
      const choice = idle ?? (emptyDisks ? "discover" : "local");
      if (choice === "discover") return { kind: "discover" };
      return { kind: "menu", reason: "discovered, nothing is queued, and there is something on its disks" };
    }
    case "installing":
      return { kind: "local", reason: "its install is under way and its data was served already" };
    case "installed":
      return { kind: "local", reason: "installed" };
    case "failed":
      return { kind: "menu", reason: `the install failed${inStage(state.stage)}: ${state.reason}` };
    case "stalled":
      return { kind: "menu", reason: `the install stopped reporting${inStage(state.stage)}` };
  }
}

const inStage = (stage: string | undefined) => (stage === undefined ? "" : ` in ${stage}`);
