import { and, asc, desc, eq, isNotNull, isNull, lt } from "drizzle-orm";
import type { Queries } from "../store/database.ts";
import { authorities, certificates } from "../store/schema/access.ts";

export type AuthorityRow = typeof authorities.$inferSelect;
export type CertificateRow = typeof certificates.$inferSelect;

export const listAuthorities = (read: Queries): Promise<AuthorityRow[]> =>
  read.select().from(authorities).orderBy(asc(authorities.id));

/** The new root signs from now on; the one that did goes on being trusted. */
export async function activateAuthority(tx: Queries, row: Omit<AuthorityRow, "id" | "state">): Promise<void> {
  await tx.update(authorities).set({ state: "trusted" }).where(eq(authorities.state, "active"));
  await tx.insert(authorities).values({ ...row, state: "active" });
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

/** Certificates a root signed that hold still: while there are any it has to be trusted. */
export async function countLiving(read: Queries, authorityId: number, now: number): Promise<number> {
  const rows = await read
    .select({ fingerprint: certificates.fingerprint, notAfter: certificates.notAfter })
    .from(certificates)
    .where(and(eq(certificates.authorityId, authorityId), isNull(certificates.revokedAt)));
  return rows.filter((row) => row.notAfter > now).length;
}

export const revokedFingerprints = async (read: Queries, now: number): Promise<string[]> => {
  const rows = await read
    .select({ fingerprint: certificates.fingerprint, notAfter: certificates.notAfter })
    .from(certificates)
    .where(isNotNull(certificates.revokedAt));
  return rows.filter((row) => row.notAfter > now).map((row) => row.fingerprint);
};

export async function forgetExpired(tx: Queries, before: number): Promise<void> {
  await tx.delete(certificates).where(lt(certificates.notAfter, before));
}
