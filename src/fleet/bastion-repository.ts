import { asc, eq } from "drizzle-orm";
import type { Queries } from "../store/database.ts";
import { bastions } from "../store/schema/uplink.ts";

export interface BastionRecord {
  name: string;
  enrolledAt: number;
  version?: string;
  address?: string;
  seenAt?: number;
  /** Which of its outboxes `taken` counts in. */
  outbox?: string;
  taken: number;
}

export async function loadBastions(read: Queries): Promise<BastionRecord[]> {
  const rows = await read.select().from(bastions).orderBy(asc(bastions.name));
  return rows.map(toRecord);
}

/** As the transaction sees it: how far its facts go is decided by this. */
export async function findBastion(tx: Queries, name: string): Promise<BastionRecord | undefined> {
  const [row] = await tx.select().from(bastions).where(eq(bastions.name, name)).limit(1);
  return row && toRecord(row);
}

export async function saveBastion(tx: Queries, record: BastionRecord): Promise<void> {
  const { name, ...rest } = record;
  await tx.insert(bastions).values(record).onConflictDoUpdate({ target: bastions.name, set: rest });
}

export async function updateBastion(
  tx: Queries,
  name: string,
  change: Partial<Omit<BastionRecord, "name">>,
): Promise<void> {
  await tx.update(bastions).set(change).where(eq(bastions.name, name));
}

export async function removeBastion(tx: Queries, name: string): Promise<void> {
  await tx.delete(bastions).where(eq(bastions.name, name));
}

const toRecord = (row: typeof bastions.$inferSelect): BastionRecord => ({
  name: row.name,
  enrolledAt: row.enrolledAt,
  taken: row.taken,
  ...(row.version !== null && { version: row.version }),
  ...(row.address !== null && { address: row.address }),
  ...(row.seenAt !== null && { seenAt: row.seenAt }),
  ...(row.outbox !== null && { outbox: row.outbox }),
});
