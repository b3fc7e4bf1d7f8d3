import { and, asc, desc, eq, lte } from "drizzle-orm";
import { z } from "zod";
import type { Queries } from "../store/database.ts";
import { serverHistory, servers } from "../store/schema/fleet.ts";

export interface ServerRecord {
  name: string;
  labels: Record<string, string>;
  macs: string[];
  enrolledAt: number;
  agentVersion?: string;
  address?: string;
  seenAt?: number;
  facts?: Record<string, unknown>;
  factsAt?: number;
}

const labelsSchema = z.record(z.string(), z.string());
const macsSchema = z.array(z.string());
const factsSchema = z.record(z.string(), z.unknown());

export async function loadServers(read: Queries): Promise<ServerRecord[]> {
  const rows = await read.select().from(servers).orderBy(asc(servers.name));
  return rows.map(toRecord);
}

export async function labelsOf(tx: Queries, name: string): Promise<ServerRecord["labels"] | undefined> {
  const [row] = await tx.select({ labels: servers.labels }).from(servers).where(eq(servers.name, name));
  return row && labelsSchema.parse(row.labels);
}

export async function saveServer(tx: Queries, record: ServerRecord): Promise<void> {
  const { name, ...rest } = record;
  await tx.insert(servers).values(record).onConflictDoUpdate({ target: servers.name, set: rest });
}

export async function updateServer(
  tx: Queries,
  name: string,
  change: Partial<Omit<ServerRecord, "name">>,
): Promise<void> {
  await tx.update(servers).set(change).where(eq(servers.name, name));
}

/** Many at once: what was seen since the last time. */
export async function saveSeen(tx: Queries, seen: ReadonlyMap<string, number>): Promise<void> {
  const statement = tx.update(servers);
  for (const [name, seenAt] of seen) await statement.set({ seenAt }).where(eq(servers.name, name));
}

export async function removeServer(tx: Queries, name: string): Promise<void> {
  await tx.delete(servers).where(eq(servers.name, name));
}

export interface HistoryEntry {
  /** Milliseconds since the epoch. */
  at: number;
  what: string;
}

/** Entries kept of one host. */
const keptHistory = 500;

export async function addHistory(
  tx: Queries,
  server: string,
  at: number,
  sentences: readonly string[],
): Promise<void> {
  if (sentences.length === 0) return;
  await tx.insert(serverHistory).values(sentences.map((what) => ({ server, at, what })));
  const [oldest] = await tx
    .select({ id: serverHistory.id })
    .from(serverHistory)
    .where(eq(serverHistory.server, server))
    .orderBy(desc(serverHistory.id))
    .limit(1)
    .offset(keptHistory);
  if (oldest)
    await tx
      .delete(serverHistory)
      .where(and(eq(serverHistory.server, server), lte(serverHistory.id, oldest.id)));
}

/** Newest first. */
export const readHistory = (read: Queries, server: string, limit = 50): Promise<HistoryEntry[]> =>
  read
    .select({ at: serverHistory.at, what: serverHistory.what })
    .from(serverHistory)
    .where(eq(serverHistory.server, server))
    .orderBy(desc(serverHistory.id))
    .limit(limit);

function toRecord(row: typeof servers.$inferSelect): ServerRecord {
  return {
    name: row.name,
    labels: labelsSchema.parse(row.labels),
    macs: macsSchema.parse(row.macs),
    enrolledAt: row.enrolledAt,
    ...(row.agentVersion !== null && { agentVersion: row.agentVersion }),
    ...(row.address !== null && { address: row.address }),
    ...(row.seenAt !== null && { seenAt: row.seenAt }),
    ...(row.facts !== null && { facts: factsSchema.parse(row.facts) }),
    ...(row.factsAt !== null && { factsAt: row.factsAt }),
  };
}
