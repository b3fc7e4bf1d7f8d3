import type { OsFamily } from "./operating-systems.ts";

export type StageOutcome = "running" | "done" | "failed";

/**
 * The named stages of each way to install, in their order. Installers may report others: they are shown
 * where they come, and wait as long as `defaultStallMs`.
 */
export const stagesOf: Record<OsFamily, readonly string[]> = {
  kickstart: [
    "boot",
    "network",
    "hardware",
    "disk-select",
    "disk-wipe",
    "partition",
    "packages",
    "configure",
    "users",
    "kubernetes-prerequisites",
    "bootloader",
    "efi-boot-order",
    "verify",
    "reboot",
    "installed",
  ],
  debian: [
    "boot",
    "network",
    "hardware",
    "disk-select",
    "disk-wipe",
    "partition",
    "packages",
    "configure",
    "users",
    "kubernetes-prerequisites",
    "bootloader",
    "efi-boot-order",
    "verify",
    "reboot",
    "installed",
  ],
  image: [
    "boot",
    "network",
    "hardware",
    "disk-select",
    "disk-wipe",
    "image-write",
    "image-verify",
    "grow",
    "partition",
    "configure",
    "users",
    "kubernetes-prerequisites",
    "bootloader",
    "efi-boot-order",
    "verify",
    "reboot",
    "installed",
  ],
};

const minutes = 60_000;
const defaultStallMs = 15 * minutes;

/** How long a stage may be silent. Log lines count as a sign of life, so this is silence, not duration. */
const stallMs: Record<string, number> = {
  network: 10 * minutes,
  hardware: 10 * minutes,
  "disk-select": 5 * minutes,
  // Discarding or zeroing a large rotating disk says nothing until it is done.
  "disk-wipe": 60 * minutes,
  partition: 30 * minutes,
  "image-write": 20 * minutes,
  "image-verify": 30 * minutes,
  // A slow mirror, and Anaconda's dependency solving, are silent for long.
  packages: 45 * minutes,
  reboot: 20 * minutes,
};

/** Before the first stage: the installer itself has to be loaded and started. */
const bootStallMs = 20 * minutes;

export const stallAfterMs = (stage: string | undefined): number =>
  stage === undefined || stage === "boot" ? bootStallMs : (stallMs[stage] ?? defaultStallMs);

/** One report as it was accepted. */
export interface StageReport {
  seq: number;
  stage: string;
  outcome: StageOutcome;
  message?: string | undefined;
  /** When it arrived: the clock of a machine being installed is not to be trusted. */
  at: number;
}

export interface Stage {
  name: string;
  state: StageOutcome;
  startedAt: number;
  endedAt?: number;
  message?: string;
}

/**
 * The stages an install went through, from its reports in the order of their sequence numbers. One that
 * begins ends the one before it; a `done` without a beginning counts as both.
 */
export function foldStages(reports: readonly StageReport[]): Stage[] {
  const stages: Stage[] = [];
  for (const report of [...reports].sort((a, b) => a.seq - b.seq)) {
    const last = stages.at(-1);
    let stage = stages.findLast(({ name, state }) => name === report.stage && state === "running");
    if (stage === undefined) {
      if (report.outcome !== "running" && stages.some(({ name }) => name === report.stage)) continue;
      if (last?.state === "running") finish(last, "done", report.at);
      stage = { name: report.stage, state: "running", startedAt: report.at };
      stages.push(stage);
    }
    if (report.message !== undefined) stage.message = report.message;
    if (report.outcome !== "running") finish(stage, report.outcome, report.at);
  }
  return stages;
}

function finish(stage: Stage, state: StageOutcome, at: number): void {
  stage.state = state;
  // Reports may arrive out of order; a stage never ends before it began.
  stage.endedAt = Math.max(at, stage.startedAt);
}
