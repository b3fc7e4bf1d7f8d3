import { and, desc, eq, gt, isNotNull, isNull, lt, or } from "drizzle-orm";
import type { Queries } from "../store/database.ts";
import { sessions } from "../store/schema/access.ts";

export type SessionRow = typeof sessions.$inferSelect;

export async function insertSession(tx: Queries, row: SessionRow): Promise<void> {
  await tx.insert(sessions).values(row);
}

/** Follows the link of this hash, if it can be: one statement, so that of two that try, exactly one does. */
export async function openSession(
  tx: Queries,
  linkHash: string,
  opened: Pick<SessionRow, "cookieHash" | "fromAddress" | "browser" | "seenAt" | "endsAt">,
): Promise<SessionRow | undefined> {
  const [row] = await tx
    .update(sessions)
    .set({ ...opened, linkHash: null })
    .where(
      and(
        eq(sessions.linkHash, linkHash),
        gt(sessions.linkUntil, opened.seenAt),
        isNull(sessions.cookieHash),
        isNull(sessions.endedAt),
      ),
    )
    .returning();
  return row;
}

export async function findSession(read: Queries, cookieHash: string): Promise<SessionRow | undefined> {
  const [row] = await read.select().from(sessions).where(eq(sessions.cookieHash, cookieHash)).limit(1);
  return row;
}

/** Those that may still be used, as far as one statement can tell. */
export const livingSessions = (read: Queries, now: number, subject?: string): Promise<SessionRow[]> =>
  read
    .select()
    .from(sessions)
    .where(
      and(
        isNull(sessions.endedAt),
        gt(sessions.endsAt, now),
        or(isNotNull(sessions.cookieHash), gt(sessions.linkUntil, now)),
        subject === undefined ? undefined : eq(sessions.subject, subject),
      ),
    )
    .orderBy(desc(sessions.createdAt))
    .limit(1000);

export async function saveSeen(tx: Queries, id: string, at: number): Promise<void> {
  await tx.update(sessions).set({ seenAt: at }).where(eq(sessions.id, id));
}

/** Ends those that were not ended yet: the one of this id, or all of this subject; the answer is their ids. */
export async function endSessions(
  tx: Queries,
  which: { id: string } | { subject: string },
  at: number,
): Promise<string[]> {
  const chosen = "id" in which ? eq(sessions.id, which.id) : eq(sessions.subject, which.subject);
  const rows = await tx
    .update(sessions)
    .set({ endedAt: at, linkHash: null })
    .where(and(chosen, isNull(sessions.endedAt)))
    .returning({ id: sessions.id });
  return rows.map(({ id }) => id);
}

export async function forgetSessions(tx: Queries, before: number): Promise<void> {
  await tx.delete(sessions).where(lt(sessions.endsAt, before));
}
