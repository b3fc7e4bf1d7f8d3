import { and, eq, gt, lte, sql } from "drizzle-orm";
import type { Queries } from "../store/database.ts";
import { deviceLogins } from "../store/schema/access.ts";

export type DeviceLoginRow = typeof deviceLogins.$inferSelect;

export async function insertDeviceLogin(tx: Queries, row: DeviceLoginRow): Promise<void> {
  await tx.insert(deviceLogins).values(row);
}

export async function findByDevice(read: Queries, deviceHash: string): Promise<DeviceLoginRow | undefined> {
  const [row] = await read
    .select()
    .from(deviceLogins)
    .where(eq(deviceLogins.deviceHash, deviceHash))
    .limit(1);
  return row;
}

/** One that waits to be let in. */
export async function findPending(
  read: Queries,
  userCode: string,
  now: number,
): Promise<DeviceLoginRow | undefined> {
  const [row] = await read.select().from(deviceLogins).where(pending(userCode, now)).limit(1);
  return row;
}

/** False when it does not wait (any more): of two answers to one question the first counts. */
export async function answerDeviceLogin(
  tx: Queries,
  userCode: string,
  now: number,
  answer: { state: "granted"; subject: string } | { state: "denied" },
): Promise<boolean> {
  const rows = await tx
    .update(deviceLogins)
    .set(answer)
    .where(pending(userCode, now))
    .returning({ userCode: deviceLogins.userCode });
  return rows.length > 0;
}

export async function savePoll(
  tx: Queries,
  deviceHash: string,
  polledAt: number,
  pollInterval: number,
): Promise<void> {
  await tx
    .update(deviceLogins)
    .set({ polledAt, pollInterval })
    .where(eq(deviceLogins.deviceHash, deviceHash));
}

/** The granted one, taken out, so that it is handed over once. */
export async function takeGranted(tx: Queries, deviceHash: string): Promise<DeviceLoginRow | undefined> {
  const [row] = await tx
    .delete(deviceLogins)
    .where(and(eq(deviceLogins.deviceHash, deviceHash), eq(deviceLogins.state, "granted")))
    .returning();
  return row;
}

/** Drops what has expired; the answer is how many wait, in all and from one address. */
export async function countDeviceLogins(
  tx: Queries,
  now: number,
  address: string,
): Promise<{ all: number; own: number }> {
  await tx.delete(deviceLogins).where(lte(deviceLogins.expiresAt, now));
  const [row] = await tx
    .select({
      all: sql<number>`count(*)`,
      own: sql<number>`coalesce(sum(${deviceLogins.fromAddress} = ${address}), 0)`,
    })
    .from(deviceLogins);
  return { all: row?.all ?? 0, own: row?.own ?? 0 };
}

const pending = (userCode: string, now: number) =>
  and(
    eq(deviceLogins.userCode, userCode),
    eq(deviceLogins.state, "pending"),
    gt(deviceLogins.expiresAt, now),
  );
