import { and, count, desc, eq, gt, gte, inArray, isNull, lt, or, sql } from "drizzle-orm";
import type { Queries } from "../store/database.ts";
import { tokens } from "../store/schema/access.ts";
import type { TokenKind } from "./token.ts";

export type TokenRow = typeof tokens.$inferSelect;

export async function insertToken(
  tx: Queries,
  row: Omit<TokenRow, "revokedAt" | "lastUsedAt">,
): Promise<void> {
  await tx.insert(tokens).values(row);
}

/**
 * Uses the token once, if it still can be: one statement, so that of two that come at once with the last use
 * exactly one finds it. `undefined`: unknown, of another kind, expired, used up or revoked.
 */
export async function takeToken(
  tx: Queries,
  kind: TokenKind,
  hash: string,
  now: number,
): Promise<TokenRow | undefined> {
  const [row] = await tx
    .update(tokens)
    .set({ usesLeft: sql`CASE WHEN uses_left IS NULL THEN NULL ELSE uses_left - 1 END`, lastUsedAt: now })
    .where(
      and(
        eq(tokens.hash, hash),
        eq(tokens.kind, kind),
        isNull(tokens.revokedAt),
        gt(tokens.expiresAt, now),
        or(isNull(tokens.usesLeft), gt(tokens.usesLeft, 0)),
      ),
    )
    .returning();
  return row;
}

/** A token that is presented again and again (a bearer, a session): looked up, not used up. */
export async function findToken(read: Queries, hash: string): Promise<TokenRow | undefined> {
  const [row] = await read.select().from(tokens).where(eq(tokens.hash, hash)).limit(1);
  return row;
}

/** Newest first; those that come after `before`. */
export const listTokens = (
  read: Queries,
  limit: number,
  before?: { createdAt: number; id: string },
): Promise<TokenRow[]> =>
  read
    .select()
    .from(tokens)
    .where(
      before &&
        or(
          lt(tokens.createdAt, before.createdAt),
          and(eq(tokens.createdAt, before.createdAt), lt(tokens.id, before.id)),
        ),
    )
    .orderBy(desc(tokens.createdAt), desc(tokens.id))
    .limit(limit);

export async function readToken(read: Queries, id: string): Promise<TokenRow | undefined> {
  const [row] = await read.select().from(tokens).where(eq(tokens.id, id)).limit(1);
  return row;
}

/** Tokens that carry the fingerprint of the root that signed from `from` until `until`, and can be used still. */
export async function countFingerprinted(
  read: Queries,
  from: number,
  until: number,
  now: number,
): Promise<number> {
  const [row] = await read
    .select({ found: count() })
    .from(tokens)
    .where(
      and(
        inArray(tokens.kind, ["join", "login"]),
        gte(tokens.createdAt, from),
        lt(tokens.createdAt, until),
        isNull(tokens.revokedAt),
        gt(tokens.expiresAt, now),
        or(isNull(tokens.usesLeft), gt(tokens.usesLeft, 0)),
      ),
    );
  return row?.found ?? 0;
}

export async function revokeToken(tx: Queries, id: string, at: number): Promise<TokenRow | undefined> {
  const [row] = await tx
    .update(tokens)
    .set({ revokedAt: at })
    .where(and(eq(tokens.id, id), isNull(tokens.revokedAt)))
    .returning();
  return row;
}

export async function revokeTokensOf(tx: Queries, subject: string, at: number): Promise<void> {
  await tx
    .update(tokens)
    .set({ revokedAt: at })
    .where(and(eq(tokens.subject, subject), isNull(tokens.revokedAt)));
}
