import { z } from "zod";
import { createMessageReader } from "./message.ts";

/**
 * What labd and an agent say to each other over their WebSocket, one JSON object a message.
 * Both name the versions they know and speak the highest that both do; a message of a kind the other side does not
 * know is ignored, so that a newer one may say more than an older one understands.
 */
export const protocolVersions = [1] as const;

/**
 * What came to version 1 later; each side names what it has, and asks of the other only what that has, too.
 * `confirm`: the agent tells that it keeps a new certificate. `health`: it tells of disks and sensors. `move`: it
 * answers whether it went elsewhere.
 */
export const protocolFeatures = ["confirm", "health", "move"] as const;
export type Feature = (typeof protocolFeatures)[number];

/** The highest version both know; `undefined`: they cannot talk. */
export function agreeOnVersion(
  theirs: readonly number[],
  ours: readonly number[] = protocolVersions,
): number | undefined {
  return [...ours].sort((a, b) => b - a).find((version) => theirs.includes(version));
}

/** How a WebSocket between the two is closed. */
export const closeCodes = {
  /** A newer connection took its place, or it was cut off. */
  replaced: 4001,
  version: 4002,
  badMessage: 4003,
  /** Another agent with this certificate is connected. */
  rival: 4005,
} as const;

/** Largest message, in bytes; a longer one ends the connection. */
export const maxMessage = 1 << 20;
/** Output an agent may have sent and not seen acknowledged, per command, in bytes; then it stops reading the command. */
export const outputWindow = 256 * 1024;
/** Bytes in one output message. */
export const maxChunk = 32 * 1024;
/** Characters of a reason; it may name what was given, of any length. */
export const maxReason = 1000;

const id = z.string().min(1).max(64);
const base64 = z.string().max(((maxChunk * 4) / 3 + 4) | 0);
const features = z.array(z.string().max(40)).max(100).default([]);
const authorities = z.string().max(100_000);
const labels = z.record(z.string(), z.string());
const terminal = z.object({ columns: z.int().min(1).max(1000), rows: z.int().min(1).max(1000) });

/** A program to run on a host, without a shell between. */
export const commandSchema = z.object({
  argv: z
    .array(z.string().max(128 * 1024))
    .min(1)
    .max(1000),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).default({}),
  directory: z.string().startsWith("/").optional(),
  /** User to run as; the agent's own when absent. */
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/)
    .optional(),
  /** Milliseconds; then SIGTERM, and SIGKILL five seconds later. */
  timeout: z.int().min(1).optional(),
  stdin: z.boolean().default(false),
  terminal: terminal.optional(),
});
export type Command = z.output<typeof commandSchema>;

/** Log lines of a host. */
export const logQuerySchema = z.object({
  source: z.discriminatedUnion("kind", [
    z.object({
      kind: z.literal("journal"),
      unit: z
        .string()
        .regex(/^[\w@.:\\-]{1,200}$/)
        .optional(),
    }),
    z.object({ kind: z.literal("file"), path: z.string().startsWith("/").max(4096) }),
  ]),
  follow: z.boolean().default(false),
  /** Anything journalctl takes, such as `-1h` or a date; for the journal alone. */
  since: z
    .string()
    .regex(/^[\w :.+-]{1,40}$/)
    .optional(),
  lines: z.int().min(0).max(100_000).default(100),
});
export type LogQuery = z.output<typeof logQuerySchema>;

/** The fixed list of things an agent does as root; see `agent/host-operations.ts`. */
export const hostOperationSchema = z.discriminatedUnion("name", [
  z.object({ name: z.literal("reboot") }),
  z.object({ name: z.literal("boot-from-network") }),
  z.object({
    name: z.literal("read-smart"),
    device: z.string().regex(/^\/dev\/(sd[a-z]+|nvme\d+n\d+|vd[a-z]+)$/),
  }),
  z.object({ name: z.literal("read-sensors") }),
  z.object({
    name: z.literal("allow-lxc-keyctl"),
    vmid: z.coerce.number().pipe(z.int().min(100).max(999_999_999)),
  }),
  z.object({ name: z.literal("mount-by-uuid"), uuid: z.string().regex(/^[0-9A-Fa-f-]{4,36}$/) }),
]);
export type HostOperation = z.output<typeof hostOperationSchema>;

/** How a host is, with each heartbeat. */
export const vitalsSchema = z.object({
  /** Seconds since the host started. */
  uptime: z.number(),
  load: z.tuple([z.number(), z.number(), z.number()]),
  /** Bytes. */
  memory: z.object({ total: z.number(), available: z.number() }),
  disks: z.array(z.object({ mount: z.string().max(300), size: z.number(), used: z.number() })).max(64),
});
export type Vitals = z.output<typeof vitalsSchema>;

const diskHealth = z.object({
  device: z.string().max(100),
  model: z.string().max(80).optional(),
  /** The disk's own verdict. */
  passed: z.boolean().optional(),
  /** Degrees Celsius. */
  temperature: z.number().optional(),
  /** Hours it was powered on. */
  hours: z.number().optional(),
  /** Sectors moved elsewhere, and sectors that wait for it. */
  reallocated: z.number().optional(),
  pending: z.number().optional(),
  /** Percent of an SSD's endurance used. */
  worn: z.number().optional(),
  errors: z.number().optional(),
  problem: z.string().max(200).optional(),
});
export type DiskHealth = z.output<typeof diskHealth>;

/** Disks and sensors. Where a program or driver is not there, `missing` says which. */
export const healthSchema = z.object({
  disks: z.object({ items: z.array(diskHealth).max(64), missing: z.string().max(200).optional() }),
  sensors: z.object({
    items: z
      .array(z.object({ name: z.string().max(80), value: z.number(), unit: z.enum(["°C", "rpm", "W"]) }))
      .max(64),
    missing: z.string().max(200).optional(),
  }),
});
export type Health = z.output<typeof healthSchema>;

export const agentMessageSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("hello"),
    versions: z.array(z.int()).min(1).max(20),
    agent: z.string().max(100),
    /** New with each start of the agent: labd knows by it whether commands it remembers can still be there. */
    boot: id,
    features,
  }),
  z.object({
    kind: z.literal("heartbeat"),
    vitals: vitalsSchema,
    /** The host's clock, in milliseconds since the epoch. */
    now: z.number().optional(),
  }),
  z.object({ kind: z.literal("health"), health: healthSchema }),
  z.object({ kind: z.literal("facts"), facts: z.record(z.string(), z.unknown()) }),
  z.object({
    kind: z.literal("output"),
    command: id,
    seq: z.int().min(1),
    stream: z.enum(["stdout", "stderr"]),
    data: base64,
  }),
  z.object({
    kind: z.literal("exit"),
    command: id,
    seq: z.int().min(1),
    code: z.int().nullable(),
    signal: z.string().max(20).nullable(),
    /** Why it did not run or was ended: for people. */
    reason: z.string().max(maxReason).optional(),
  }),
  /** More input may be sent: the command took what it had. */
  z.object({ kind: z.literal("input-taken"), command: id, seq: z.int().min(0) }),
  z.object({ kind: z.literal("renew"), csr: z.string().max(10_000) }),
  /** The new certificate is on disk: those before it are not needed any more. */
  z.object({ kind: z.literal("certificate-kept"), fingerprint: z.string().max(64) }),
  /** What became of an order to go elsewhere. */
  z.object({ kind: z.literal("moving"), order: id, refused: z.string().max(500).optional() }),
]);
export type AgentMessage = z.output<typeof agentMessageSchema>;

export const labdMessageSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("welcome"),
    version: z.int(),
    /** Milliseconds between heartbeats. */
    heartbeat: z.int().min(1000),
    /** Commands labd still waits for, with the last output it has of each: go on after it. Others are to be ended. */
    commands: z.array(z.object({ command: id, seq: z.int().min(0) })).max(1000),
    features,
    /** The roots to trust; the first one signs. */
    authorities: authorities.optional(),
    labels: labels.optional(),
  }),
  /** The answer to a heartbeat: labd's clock, in milliseconds since the epoch. */
  z.object({ kind: z.literal("heard"), now: z.number() }),
  z.object({ kind: z.literal("labels"), labels }),
  z.object({ kind: z.literal("run"), command: id, spec: commandSchema }),
  z.object({ kind: z.literal("read-logs"), command: id, query: logQuerySchema }),
  z.object({ kind: z.literal("operate"), command: id, operation: hostOperationSchema }),
  z.object({
    kind: z.literal("input"),
    command: id,
    seq: z.int().min(1),
    data: base64,
    end: z.boolean().default(false),
  }),
  z.object({ kind: z.literal("resize"), command: id, terminal }),
  z.object({
    kind: z.literal("signal"),
    command: id,
    signal: z.enum(["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGKILL"]),
  }),
  /** Nobody waits for it any more. */
  z.object({ kind: z.literal("cancel"), command: id }),
  /** Output up to `seq` has reached its reader. */
  z.object({ kind: z.literal("taken"), command: id, seq: z.int().min(0) }),
  z.object({
    kind: z.literal("certificate"),
    pem: z.string().max(20_000),
    authorities,
  }),
  z.object({ kind: z.literal("trust"), authorities }),
  /** labd stops; come back in about so many milliseconds. */
  z.object({ kind: z.literal("shutdown"), after: z.int().min(0).max(600_000) }),
  /** Another address of labd; with an `order`, the agent tells what became of it. */
  z.object({ kind: z.literal("go-elsewhere"), url: z.url(), order: id.optional() }),
]);
export type LabdMessage = z.output<typeof labdMessageSchema>;

export const readAgentMessage = createMessageReader(agentMessageSchema);
export const readLabdMessage = createMessageReader(labdMessageSchema);
