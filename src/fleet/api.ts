import { z } from "zod";
import { pageOf } from "../http/page.ts";
import {
  commandSchema,
  healthSchema,
  hostOperationSchema,
  logQuerySchema,
  vitalsSchema,
} from "./protocol.ts";

// What the API and its clients agree on.

export const serverView = z.object({
  name: z.string(),
  state: z.enum(["connected", "disconnected"]),
  labels: z.record(z.string(), z.string()),
  macs: z.array(z.string()),
  enrolledAt: z.number(),
  agentVersion: z.string().optional(),
  address: z.string().optional(),
  seenAt: z.number().optional(),
  facts: z.record(z.string(), z.unknown()).optional(),
  factsAt: z.number().optional(),
  vitals: vitalsSchema.optional(),
  health: healthSchema.optional(),
  clockAhead: z.number().optional(),
  ignored: z.number().optional(),
});

/** One host with what only a look at it alone is worth. */
export const serverDetail = serverView.extend({
  history: z.array(z.object({ at: z.number(), what: z.string() })),
});

export const moveRequest = z.strictObject({
  to: z.url({ protocol: /^https$/, error: "must be an address such as https://labd.example:8443" }),
});

/** The daemon on a host, apart from what the host is. */
export const agentView = serverView.pick({
  name: true,
  state: true,
  agentVersion: true,
  address: true,
  enrolledAt: true,
  seenAt: true,
  clockAhead: true,
});

export const enrolRequest = z.strictObject({
  token: z.string().max(300),
  csr: z.string().max(10_000),
  hostname: z.string().max(253),
  macs: z.array(z.string().max(17)).max(64),
  agentVersion: z.string().max(100),
});

export const serverLabels = z.object({ labels: z.record(z.string(), z.string()) });

export const labelChange = z.strictObject({
  /** A value of null removes the label. */
  labels: z.record(z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._/-]{0,62}$/), z.string().max(63).nullable()),
});

/** What a client sends over `/api/v1/servers/NAME/exec` and `…/logs`: first what it wants, then input. */
export const clientMessage = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("run"), spec: commandSchema }),
  z.object({ kind: z.literal("read-logs"), query: logQuerySchema }),
  z.object({ kind: z.literal("operate"), operation: hostOperationSchema }),
  z.object({ kind: z.literal("input"), data: z.string(), end: z.boolean().default(false) }),
  z.object({ kind: z.literal("resize"), columns: z.int().min(1).max(1000), rows: z.int().min(1).max(1000) }),
  z.object({
    kind: z.literal("signal"),
    signal: z.enum(["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGKILL"]),
  }),
]);
export type ClientMessage = z.output<typeof clientMessage>;

/** What it is sent. */
export const commandEvent = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("output"), stream: z.enum(["stdout", "stderr"]), data: z.string() }),
  z.object({ kind: z.literal("input-taken"), bytes: z.number() }),
  z.object({
    kind: z.literal("exit"),
    code: z.int().nullable(),
    signal: z.string().nullable(),
    reason: z.string().optional(),
  }),
  /** It was not started: the problem as the API would answer it. */
  z.object({
    kind: z.literal("refused"),
    code: z.string(),
    message: z.string(),
    hint: z.string().optional(),
  }),
]);
export type CommandEvent = z.output<typeof commandEvent>;

export const bastionEnrolment = z.strictObject({
  token: z.string().max(300),
  csr: z.string().max(10_000),
  hostname: z.string().max(253),
  version: z.string().max(100),
});
export const bastionView = z.object({
  name: z.string(),
  state: z.enum(["connected", "disconnected"]),
  enrolledAt: z.number(),
  version: z.string().optional(),
  address: z.string().optional(),
  seenAt: z.number().optional(),
  /** Facts of its machines that are stored here. */
  taken: z.number(),
});
export const bastionList = pageOf(bastionView);
