import { and, asc, count, eq, inArray, lt } from "drizzle-orm";
import type { Queries } from "../store/database.ts";
import { idempotencyKeys as keys } from "../store/schema/idempotency.ts";

export type KeptKey = typeof keys.$inferSelect;
export type KeyName = Pick<KeptKey, "identity" | "keyHash">;

const named = ({ identity, keyHash }: KeyName) => and(eq(keys.identity, identity), eq(keys.keyHash, keyHash));

export async function findKey(tx: Queries, name: KeyName): Promise<KeptKey | undefined> {
  const [row] = await tx.select().from(keys).where(named(name)).limit(1);
  return row;
}

/** Writes it, in place of one of the same name. */
export async function reserveKey(
  tx: Queries,
  row: Omit<KeptKey, "status" | "contentType" | "sealedAnswer">,
): Promise<void> {
  await releaseKey(tx, row);
  await tx.insert(keys).values(row);
}

export async function answerKey(
  tx: Queries,
  name: KeyName,
  answer: Pick<KeptKey, "status" | "contentType" | "sealedAnswer">,
): Promise<void> {
  await tx.update(keys).set(answer).where(named(name));
}

export async function releaseKey(tx: Queries, name: KeyName): Promise<void> {
  await tx.delete(keys).where(named(name));
}

/** Forgets those made before `before`, and of this identity the oldest beyond `most`. */
export async function tidyKeys(tx: Queries, identity: string, before: number, most: number): Promise<void> {
  await tx.delete(keys).where(lt(keys.createdAt, before));
  const [held] = await tx.select({ count: count() }).from(keys).where(eq(keys.identity, identity));
  const surplus = (held?.count ?? 0) - most;
  if (surplus <= 0) return;
  const oldest = await tx
    .select({ keyHash: keys.keyHash })
    .from(keys)
    .where(eq(keys.identity, identity))
    .orderBy(asc(keys.createdAt))
    .limit(surplus);
  const hashes = oldest.map((row) => row.keyHash);
  await tx.delete(keys).where(and(eq(keys.identity, identity), inArray(keys.keyHash, hashes)));
}
