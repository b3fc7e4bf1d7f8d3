import { and, asc, desc, eq, gt, gte, like, lt, lte, type SQL } from "drizzle-orm";
import type { Queries } from "../store/database.ts";
import { audit } from "../store/schema/access.ts";
import { type AuditEntry, type AuditRecord, chainHash, genesis } from "./audit-chain.ts";

export interface AuditFilter {
  actor?: string;
  action?: string;
  resource?: string;
  result?: AuditEntry["result"];
  since?: number;
  until?: number;
  /** Records before this one, for the next page. */
  before?: number;
  limit: number;
}

/** Adds `entry` to the chain, within the transaction of what it tells of. */
export async function appendAudit(tx: Queries, entry: AuditEntry): Promise<void> {
  const [last] = await tx
    .select({ seq: audit.seq, hash: audit.hash })
    .from(audit)
    .orderBy(desc(audit.seq))
    .limit(1);
  const seq = (last?.seq ?? 0) + 1;
  const { from, ...rest } = entry;
  await tx
    .insert(audit)
    .values({ ...rest, seq, fromAddress: from, hash: chainHash(last?.hash ?? genesis, seq, entry) });
}

export async function lastSeq(tx: Queries): Promise<number> {
  const [last] = await tx.select({ seq: audit.seq }).from(audit).orderBy(desc(audit.seq)).limit(1);
  return last?.seq ?? 0;
}

/** Whether something was allowed to that request, after the record `seq`. */
export async function hasAllowed(tx: Queries, requestId: string, seq: number): Promise<boolean> {
  const rows = await tx
    .select({ seq: audit.seq })
    .from(audit)
    .where(and(gt(audit.seq, seq), eq(audit.requestId, requestId), eq(audit.result, "allowed")))
    .limit(1);
  return rows.length > 0;
}

/** Newest first. A `*` in actor, action or resource stands for anything. */
export async function listAudit(read: Queries, filter: AuditFilter): Promise<AuditRecord[]> {
  const matches = (
    column: typeof audit.actor | typeof audit.action | typeof audit.resource,
    wanted: string | undefined,
  ) =>
    wanted === undefined
      ? undefined
      : wanted.includes("*")
        ? like(column, wanted.replaceAll("*", "%"))
        : eq(column, wanted);
  const conditions: (SQL | undefined)[] = [
    matches(audit.actor, filter.actor),
    matches(audit.action, filter.action),
    matches(audit.resource, filter.resource),
    filter.result && eq(audit.result, filter.result),
    filter.since === undefined ? undefined : gte(audit.at, filter.since),
    filter.until === undefined ? undefined : lte(audit.at, filter.until),
    filter.before === undefined ? undefined : lt(audit.seq, filter.before),
  ];
  const rows = await read
    .select()
    .from(audit)
    .where(and(...conditions))
    .orderBy(desc(audit.seq))
    .limit(filter.limit);
  return rows.map(toRecord);
}

/** The records after `seq` in order, for verifying and exporting page by page. */
export async function readAudit(read: Queries, after: number, limit: number): Promise<AuditRecord[]> {
  const rows = await read
    .select()
    .from(audit)
    .where(gte(audit.seq, after + 1))
    .orderBy(asc(audit.seq))
    .limit(limit);
  return rows.map(toRecord);
}

function toRecord(row: typeof audit.$inferSelect): AuditRecord {
  const { fromAddress, session, detail, ...rest } = row;
  return {
    ...rest,
    from: fromAddress,
    ...(session !== null && { session }),
    ...(detail !== null && { detail }),
  };
}
