import type { EventBus } from "../platform/events.ts";
import type { Mac } from "../platform/mac.ts";
import type { StageOutcome } from "./stage.ts";

interface InstallFact {
  mac: Mac;
  installId: string;
  name: string;
  at: number;
}

/** What this room tells the others, after it is durable. Times are milliseconds since the epoch. */
export type MachineEvents = {
  "machine.discovered": { mac: Mac; at: number; first: boolean };
  /** Its hardware differs from the discovery before: sentences for people. */
  "machine.changed": { mac: Mac; at: number; changes: string[] };
  "install.queued": InstallFact;
  "install.cancelled": InstallFact;
  "install.started": InstallFact;
  "install.stage-reached": InstallFact & { stage: string; outcome: StageOutcome; message?: string };
  "install.log-appended": { mac: Mac; installId: string; lines: number; at: number };
  "install.finished": InstallFact;
  "install.failed": InstallFact & { reason: string };
  "install.stalled": InstallFact & { reason: string };
};

export type MachineBus = Pick<EventBus<MachineEvents>, "publish">;
