import { z } from "zod";

/** What the running agent says of itself on its own socket. */
export const agentStatus = z.object({
  state: z.enum(["disconnected", "connecting", "connected", "reconnecting"]),
  /** Connected since, in milliseconds since the epoch. */
  since: z.number().optional(),
  /** How often it has tried to connect since the last time it was. */
  attempt: z.number().optional(),
  name: z.string(),
  server: z.string(),
  /** Of the certificate, in milliseconds since the epoch. */
  certificateEnds: z.number(),
  labels: z.record(z.string(), z.string()).optional(),
  /** Milliseconds this host's clock is ahead of labd's; negative: behind. */
  clockAhead: z.number().optional(),
  /** Messages of labd that this version does not know. */
  ignored: z.number(),
  commands: z.number(),
  /** Why the last attempt or connection ended. */
  problem: z.string().optional(),
  version: z.string(),
  pid: z.number(),
});
export type AgentStatus = z.output<typeof agentStatus>;
