import { z } from "zod";
import { readMac } from "../platform/mac.ts";
import type { Queries } from "../store/database.ts";

// What a bastion tells a labd elsewhere of its machines; both ends agree on it here. Times are milliseconds since the
// epoch, as the bastion's clock has them.

const mac = z.string().transform((text, context) => {
  const read = readMac(text);
  if (read !== undefined) return read;
  context.issues.push({ code: "custom", input: text, message: "must be a MAC address" });
  return z.NEVER;
});
const time = z.number();
const installId = z.string().max(64);
const stage = z.string().max(64);
const stageOutcome = z.enum(["running", "done", "failed"]);

const discovered = z.object({ kind: z.literal("discovered"), since: time });
const installed = z.object({ kind: z.literal("installed"), since: time, installId });
const failed = z.object({
  kind: z.literal("failed"),
  since: time,
  installId,
  stage: stage.optional(),
  reason: z.string().max(1000),
});
const running = { since: time, installId, stage: stage.optional(), heardAt: time };
const stalled = z.object({ kind: z.literal("stalled"), ...running });
const state = z.discriminatedUnion("kind", [
  discovered,
  z.object({
    kind: z.literal("queued"),
    since: time,
    installId,
    before: z.discriminatedUnion("kind", [discovered, installed, failed, stalled]),
  }),
  z.object({ kind: z.literal("installing"), ...running }),
  installed,
  failed,
  stalled,
]);

const summary = z.object({
  vendor: z.string().optional(),
  product: z.string().optional(),
  cpu: z.string().optional(),
  threads: z.number().optional(),
  memoryBytes: z.number().optional(),
  disks: z.array(z.object({ name: z.string(), sizeBytes: z.number().optional() })).max(1000),
  emptyDisks: z.boolean(),
  gpus: z.number(),
  firmware: z.enum(["bios", "uefi"]).optional(),
  virtualization: z.string().optional(),
});

/** A machine as it is kept in memory, with its current install. */
export const machineRecord = z.object({
  machine: z.object({
    mac,
    nics: z.array(mac).max(64),
    name: z.string().max(253).optional(),
    role: z.string().max(64).optional(),
    state,
    firstSeenAt: time,
    seenAt: time,
    uuid: z.string().max(100).optional(),
    serial: z.string().max(300).optional(),
    summary: summary.optional(),
  }),
  install: z
    .object({
      id: installId,
      name: z.string().max(253),
      os: z.string().max(100),
      role: z.string().max(64),
      queuedAt: time,
      startedAt: time.optional(),
      endedAt: time.optional(),
      outcome: z.enum(["installed", "failed", "stalled", "replaced", "cancelled", "forgotten"]).optional(),
      reason: z.string().optional(),
    })
    .optional(),
});
export type MachineRecord = z.output<typeof machineRecord>;

export const machineFact = z.discriminatedUnion("kind", [
  /** What the machine is from now on: discovered, or moved from one state to another. */
  z.object({ kind: z.literal("machine"), mac, record: machineRecord }),
  z.object({ kind: z.literal("forgotten"), mac }),
  /** `event` numbers stages and log lines of a machine alike, in the order of their arrival. */
  z.object({
    kind: z.literal("stage"),
    mac,
    installId,
    event: z.int().min(1),
    seq: z.int().min(0),
    stage,
    outcome: stageOutcome,
    message: z.string().max(4000).optional(),
    at: time,
  }),
  z.object({
    kind: z.literal("lines"),
    mac,
    installId,
    event: z.int().min(1),
    lines: z
      .array(z.tuple([z.number(), z.string(), z.string().optional()]))
      .min(1)
      .max(1000),
    at: time,
  }),
  /** So many of the machine's oldest log lines could not be kept until they were told. */
  z.object({ kind: z.literal("lost"), mac, lines: z.int().min(1) }),
]);
export type MachineFact = z.output<typeof machineFact>;

/** Notes a fact within the transaction that makes it true; there is none where nobody wants to know. */
export type Journal = (tx: Queries, fact: MachineFact) => void;
