import type { Mac } from "../platform/mac.ts";
import type { DiskFacts } from "./disk-selector.ts";
import type { JoinOffer } from "./enrolment.ts";
import type { InstallSpec } from "./install-spec.ts";

/** What a machine is to boot: URL paths below `baseUrl`, and kernel arguments. */
export interface BootFiles {
  kernel: string;
  initrds: string[];
  args: string[];
}

/** A disk image of the catalogue; `size` and `sha256` are those of the file as it is served. */
export interface InstallImage {
  name: string;
  sha256: string;
  size: number;
  /** Unpacked (bytes); absent where nobody knows. */
  rawSize?: number | undefined;
  format: "raw" | "qcow2";
  compression: "zstd" | "none";
}

/** All a template can name; the install is rendered from this alone. */
export interface RenderContext {
  spec: InstallSpec;
  mac: Mac;
  firmware: "bios" | "uefi";
  /** Default `x86_64`. */
  arch?: "x86_64" | "arm64";
  /** What discovery found; with it, a disk that is missing, ambiguous or too small is refused at once. */
  inventory?: { disks: readonly DiskFacts[] };
  /** `http://IP:PORT` of the lab listener, as this machine sees it. */
  baseUrl: string;
  token: string;
  /** For `image:NAME`. */
  image?: InstallImage;
  kernelArgs: string;
  /** Where packages come from, by distribution: `{debian: "http://…/debian"}`. */
  mirrors: Record<string, string>;
  timezone: string;
  /** Absent where no control plane runs. */
  agent?: JoinOffer;
}

/** Files by the name they are served under (`/install/TOKEN/NAME`). */
export interface RenderedInstall {
  files: Record<string, string>;
  boot: BootFiles;
}
