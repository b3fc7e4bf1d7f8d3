import { and, asc, desc, eq, gt, isNull, lt, ne } from "drizzle-orm";
import type { Queries } from "../store/database.ts";
import { authorities, certificates } from "../store/schema/access.ts";

export type AuthorityRow = typeof authorities.$inferSelect;
export type CertificateRow = typeof certificates.$inferSelect;

/** Those that are not retired, oldest first. */
export const listAuthorities = (read: Queries): Promise<AuthorityRow[]> =>
  read.select().from(authorities).where(isNull(authorities.retiredAt)).orderBy(asc(authorities.id));

/** The new root signs from now on; the one that did goes on being trusted, without its key. */
export async function activateAuthority(
  tx: Queries,
  row: Omit<AuthorityRow, "id" | "state" | "retiredAt">,
): Promise<void> {
  await tx
    .update(authorities)
    .set({ state: "trusted", sealedKey: "" })
    .where(eq(authorities.state, "active"));
  await tx.insert(authorities).values({ ...row, state: "active" });
}

/** Trusts it no more and revokes what it signed; the answer is the fingerprints. */
export async function retireAuthority(
  tx: Queries,
  id: number,
  at: number,
  because: string,
): Promise<string[]> {
  await tx.update(authorities).set({ retiredAt: at }).where(eq(authorities.id, id));
  const rows = await tx
    .update(certificates)
    .set({ revokedAt: at, revokedBecause: because })
    .where(and(eq(certificates.authorityId, id), isNull(certificates.revokedAt)))
    .returning({ fingerprint: certificates.fingerprint });
  return rows.map((row) => row.fingerprint);
}

export async function insertCertificate(
  tx: Queries,
  row: Omit<CertificateRow, "revokedAt" | "revokedBecause">,
): Promise<void> {
  await tx.insert(certificates).values(row);
}

export async function findCertificate(
  read: Queries,
  fingerprint: string,
): Promise<CertificateRow | undefined> {
  const [row] = await read
    .select()
    .from(certificates)
    .where(eq(certificates.fingerprint, fingerprint))
    .limit(1);
  return row;
}

export const listCertificates = (
  read: Queries,
  holder: CertificateRow["holder"],
  name: string,
): Promise<CertificateRow[]> =>
  read
    .select()
    .from(certificates)
    .where(and(eq(certificates.holder, holder), eq(certificates.name, name)))
    .orderBy(desc(certificates.issuedAt));

/** Revokes what the holder has that is not revoked yet; the answer is their fingerprints. */
export async function revokeCertificates(
  tx: Queries,
  holder: CertificateRow["holder"],
  name: string,
  at: number,
  because: string,
): Promise<string[]> {
  const rows = await tx
    .update(certificates)
    .set({ revokedAt: at, revokedBecause: because })
    .where(and(eq(certificates.holder, holder), eq(certificates.name, name), isNull(certificates.revokedAt)))
    .returning({ fingerprint: certificates.fingerprint });
  return rows.map((row) => row.fingerprint);
}

/** Revokes what the holder has besides one certificate, which took the place of the others. */
export async function supersedeCertificates(
  tx: Queries,
  { holder, name, fingerprint }: Pick<CertificateRow, "holder" | "name" | "fingerprint">,
  at: number,
): Promise<string[]> {
  const rows = await tx
    .update(certificates)
    .set({ revokedAt: at, revokedBecause: "a newer one took its place" })
    .where(
      and(
        eq(certificates.holder, holder),
        eq(certificates.name, name),
        ne(certificates.fingerprint, fingerprint),
        isNull(certificates.revokedAt),
      ),
    )
    .returning({ fingerprint: certificates.fingerprint });
  return rows.map((row) => row.fingerprint);
}

/** Who holds a certificate a root signed that is good still, each once. */
export const livingHolders = (
  read: Queries,
  authorityId: number,
  now: number,
): Promise<{ holder: CertificateRow["holder"]; name: string }[]> =>
  read
    .selectDistinct({ holder: certificates.holder, name: certificates.name })
    .from(certificates)
    .where(
      and(
        eq(certificates.authorityId, authorityId),
        isNull(certificates.revokedAt),
        gt(certificates.notAfter, now),
      ),
    )
    .orderBy(asc(certificates.name));

export async function forgetExpired(tx: Queries, before: number): Promise<void> {
  await tx.delete(certificates).where(lt(certificates.notAfter, before));
}
