import { z } from "zod";
import { machineFact } from "../machines/service.ts";
import { createMessageReader } from "./message.ts";

/**
 * What labd and a bastion elsewhere say to each other over their WebSocket, one JSON object a message. The bastion
 * sends facts in order and waits until labd has stored them; a lost connection goes on after what labd has. A message
 * of a kind the other side does not know is ignored, so that a newer one may say more than an older one understands.
 */
export const uplinkVersions = [1] as const;

/** Largest message, in bytes; a longer one ends the connection. */
export const maxUplinkMessage = 2 << 20;
/** Milliseconds between heartbeats. */
export const uplinkHeartbeat = 10_000;

const id = z.string().min(1).max(64);

/** What the CLI and the enrolment agree on. */
export const bastionName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/, "must be a host name in lower case");

export const bastionMessage = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("hello"),
    versions: z.array(z.int()).min(1).max(20),
    software: z.string().max(100),
    /** Which outbox the numbers of the facts are of. */
    outbox: id,
  }),
  z.object({ kind: z.literal("heartbeat") }),
  z.object({
    kind: z.literal("facts"),
    facts: z
      .array(z.object({ seq: z.int().min(1), fact: machineFact }))
      .min(1)
      .max(1000),
  }),
  /** A join token for a machine that is installed here. */
  z.object({
    kind: z.literal("mint"),
    request: id,
    mac: z.string().max(17),
    name: z.string().max(64),
    role: z.string().max(64),
  }),
  z.object({ kind: z.literal("renew"), csr: z.string().max(10_000) }),
]);
export type BastionMessage = z.output<typeof bastionMessage>;

export const uplinkMessage = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("welcome"),
    version: z.int(),
    /** Everything of this outbox up to this number is stored. */
    taken: z.int().min(0),
    /** The roots to trust; the first one signs. */
    authorities: z.string().max(100_000),
  }),
  z.object({ kind: z.literal("taken"), seq: z.int().min(0) }),
  z.object({ kind: z.literal("minted"), request: id, token: z.string().max(300) }),
  z.object({ kind: z.literal("refused"), request: id, reason: z.string().max(500) }),
  z.object({
    kind: z.literal("certificate"),
    pem: z.string().max(20_000),
    authorities: z.string().max(100_000),
  }),
  /** As in the welcome, when they change. */
  z.object({ kind: z.literal("trust"), authorities: z.string().max(100_000) }),
]);
export type UplinkMessage = z.output<typeof uplinkMessage>;

export const readBastionMessage = createMessageReader(bastionMessage);
export const readUplinkMessage = createMessageReader(uplinkMessage);
