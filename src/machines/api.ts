import { z } from "zod";
import { pageOf } from "../http/page.ts";
import { localBootMethods } from "./boot-order.ts";
import { maxLineLength } from "./log-line.ts";
import { defaultRole } from "./roles.ts";

// What travels over HTTP, each way; the server, the CLI and the scripts on the machines agree on it here.

const seq = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
/** A line may be longer than what is kept of it; this only bounds what is read. */
const text = z.string().max(16 * maxLineLength);
const source = z
  .string()
  .max(64)
  .regex(/^[\w./:-]+$/, "must be a name such as anaconda");

export const logLineSchema = z.object({ seq, text, source: source.optional() });
/** `POST /api/log`: one line, or a batch. */
export const logReportSchema = z.union([z.object({ lines: z.array(logLineSchema) }), logLineSchema]);
/** `POST /api/log?seq=FIRST&source=NAME` with text. */
export const logQuerySchema = z.object({ seq: z.coerce.number().pipe(seq), source: source.optional() });

/** `POST /api/progress`. */
export const progressSchema = z.object({
  seq,
  stage: z
    .string()
    .max(64)
    .regex(/^[\w][\w .:/+-]*$/, "must be a name such as packages"),
  state: z.enum(["running", "done", "failed"]),
  message: z
    .string()
    // Shell scripts say "" where they have nothing to say.
    .transform((message) => message.slice(0, 4000) || undefined)
    .optional(),
});

const stageState = z.enum(["running", "done", "failed"]);
const time = z.number();

export const bootOptionsSchema = z.strictObject({
  uefi: z.enum(["ipxe", "snponly", "grub"]).optional(),
  discoveryControl: z.boolean().optional(),
  localBoot: z.enum(localBootMethods).optional(),
  idle: z.enum(["discover", "local"]).optional(),
  kernelArgs: z
    .string()
    .max(500)
    .regex(/^[\x20-\x7e]*$/, "must be printable")
    .optional(),
});

/** `POST /api/v1/machines/:machine/install`; the rest of the body is the install as `install-spec.ts` has it. */
export const installRequestSchema = z.object({
  spec: z.looseObject({ name: z.string(), os: z.string(), role: z.string().default(defaultRole) }),
  replace: z.boolean().default(false),
});

const expectationSchema = z.object({ medianMs: z.number(), spreadMs: z.number(), samples: z.number() });

const stageSchema = z.object({
  name: z.string(),
  state: stageState,
  startedAt: time,
  endedAt: time.optional(),
  message: z.string().optional(),
});

export const machineState = z.enum(["discovered", "queued", "installing", "installed", "failed", "stalled"]);

export const machineSchema = z.object({
  mac: z.string(),
  nics: z.array(z.string()),
  name: z.string().optional(),
  role: z.string().optional(),
  /** Of a bastion elsewhere. */
  bastion: z.string().optional(),
  state: machineState,
  since: time,
  installId: z.string().optional(),
  stage: z.string().optional(),
  reason: z.string().optional(),
  firstSeenAt: time,
  seenAt: time,
  uuid: z.string().optional(),
  serial: z.string().optional(),
  summary: z
    .object({
      vendor: z.string().optional(),
      product: z.string().optional(),
      cpu: z.string().optional(),
      threads: z.number().optional(),
      memoryBytes: z.number().optional(),
      disks: z.array(z.object({ name: z.string(), sizeBytes: z.number().optional() })),
      emptyDisks: z.boolean(),
      gpus: z.number(),
      firmware: z.enum(["bios", "uefi"]).optional(),
      virtualization: z.string().optional(),
    })
    .optional(),
  bootOptions: bootOptionsSchema.optional(),
});
export type MachineView = z.output<typeof machineSchema>;

export const machineListSchema = pageOf(machineSchema);

const installSchema = z.object({
  id: z.string(),
  name: z.string(),
  os: z.string(),
  role: z.string(),
  queuedAt: time,
  startedAt: time.optional(),
  endedAt: time.optional(),
  outcome: z.enum(["installed", "failed", "stalled", "replaced", "cancelled", "forgotten"]).optional(),
  reason: z.string().optional(),
});

/** `GET /api/v1/machines/:machine`. */
export const machineDetailSchema = machineSchema.extend({
  /** Of the current install. */
  stages: z.array(stageSchema),
  /** What past installs of the same system took, by stage and in `total`. */
  expectations: z.record(z.string(), expectationSchema),
  /** All its stages, in their order, where the system is known. */
  knownStages: z.array(z.string()),
  /** Newest first. */
  installs: z.array(installSchema),
  history: z.array(z.object({ at: time, what: z.string() })),
  inventory: z.record(z.string(), z.unknown()).optional(),
});
export type MachineDetail = z.output<typeof machineDetailSchema>;

/** `GET /api/logs/:machine`. */
export const machineLogsSchema = z.object({
  installId: z.string().optional(),
  stages: z.array(stageSchema),
  /** The last 2,000 at most, in the order of their sequence numbers. */
  log_lines: z.array(z.object({ seq, at: time, text: z.string(), source: z.string().optional() })),
  /** All that were accepted. */
  log_total: z.number(),
  /** Sequence numbers nothing was received for, both ends included. */
  gaps: z.array(z.object({ from: z.number(), to: z.number() })),
  /** Numbers of gaps too many to remember. */
  lost: z.number(),
});

// Events of `GET /api/logs/:machine/follow`.
export const logEventSchema = z.object({ seq, at: time, text: z.string(), source: z.string().optional() });
export const stageEventSchema = z.object({
  seq,
  at: time,
  stage: z.string(),
  state: stageState,
  message: z.string().optional(),
});
export const stateEventSchema = z.object({
  state: z.enum(["discovered", "queued", "installing", "installed", "failed", "stalled", "forgotten"]),
  since: time,
  installId: z.string().optional(),
  stage: z.string().optional(),
  reason: z.string().optional(),
});

/** `POST /api/v1/machines/:machine/reprovision`: what is to differ from the install before. */
export const reprovisionRequestSchema = z.object({
  spec: z.looseObject({ role: z.string().optional() }).default({}),
});
const bootStepSchema = z.object({
  step: z.enum(["queue", "next-boot", "reboot", "wake"]),
  result: z.enum(["done", "failed", "skipped"]),
  detail: z.string(),
});
export const bootStepsSchema = z.object({ steps: z.array(bootStepSchema) });
export const reprovisionedSchema = bootStepsSchema.extend({ machine: machineSchema });
