import type { OsFamily } from "./operating-systems.ts";

export type StageOutcome = "running" | "done" | "failed";

const minutes = 60_000;

/**
 * Every stage an installer of ours reports, and how long it may be silent. Log lines count as a sign of life,
 * so this is silence, not duration.
 */
const stallMs = {
  // The installer itself has to be loaded and started.
  boot: 20 * minutes,
  network: 10 * minutes,
  hardware: 10 * minutes,
  "disk-select": 5 * minutes,
  // Discarding or zeroing a large rotating disk says nothing until it is done.
  "disk-wipe": 60 * minutes,
  partition: 30 * minutes,
  "image-write": 20 * minutes,
  "image-verify": 30 * minutes,
  grow: 15 * minutes,
  // A slow mirror, and Anaconda's dependency solving, are silent for long.
  packages: 45 * minutes,
  configure: 15 * minutes,
  users: 15 * minutes,
  "kubernetes-prerequisites": 15 * minutes,
  bootloader: 15 * minutes,
  "efi-boot-order": 15 * minutes,
  // SELinux's labels are put on without a word.
  labels: 30 * minutes,
  verify: 15 * minutes,
  reboot: 20 * minutes,
  installed: 15 * minutes,
} as const;
type StageName = keyof typeof stallMs;

/**
 * The stages of each way to install, in the order its templates report them. A template of somebody's own may
 * report others: they are shown where they come, and wait as long as `strangerStallMs`.
 */
export const stagesOf: Readonly<Record<OsFamily, readonly string[]>> = {
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
    "efi-boot-order",
    "bootloader",
    "labels",
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
    "partition",
    "grow",
    "configure",
    "users",
    "kubernetes-prerequisites",
    "bootloader",
    "efi-boot-order",
    "verify",
    "reboot",
    "installed",
  ],
} satisfies Record<OsFamily, readonly StageName[]>;

const strangerStallMs = 15 * minutes;

/** How long an install may be silent in this stage, or before its first one. */
export const stallAfterMs = (stage = "boot"): number => (isStage(stage) ? stallMs[stage] : strangerStallMs);

const isStage = (name: string): name is StageName => Object.hasOwn(stallMs, name);

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
