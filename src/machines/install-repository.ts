import { and, desc, eq, isNotNull, isNull } from "drizzle-orm";
import { type Mac, parseMac } from "../platform/mac.ts";
import type { Queries } from "../store/database.ts";
import { installs, installTokens, machines } from "../store/schema/machines.ts";
import type { PastInstall } from "./expectation.ts";
import type { InstallSpec } from "./install-spec.ts";
import type { InstallOutcome } from "./model.ts";

/** Kept for each machine. */
const maxInstalls = 20;
/** A loader may fetch its script several times before it boots; older tokens end. */
const maxUnclaimedTokens = 4;

export interface InstallRecord {
  id: string;
  mac: Mac;
  os: string;
  spec: InstallSpec;
  queuedAt: number;
  startedAt: number | undefined;
  endedAt: number | undefined;
  outcome: InstallOutcome | undefined;
  reason: string | undefined;
}

export interface TokenRecord {
  hash: string;
  installId: string;
  mac: Mac;
  firmware: "bios" | "uefi";
  arch: "x86_64" | "arm64";
  baseUrl: string;
  issuedAt: number;
  claimedAt: number | undefined;
  /** Files fetched with it. */
  served: string[];
}

export function insertInstall(
  tx: Queries,
  { id, mac, os, spec, queuedAt }: Pick<InstallRecord, "id" | "mac" | "os" | "spec" | "queuedAt">,
): void {
  tx.insert(installs)
    .values({ id, machine: mac, os, spec: JSON.stringify(spec), queuedAt })
    .run();
  const superfluous = tx
    .select({ id: installs.id })
    .from(installs)
    .where(eq(installs.machine, mac))
    .orderBy(desc(installs.queuedAt))
    .limit(100)
    .offset(maxInstalls)
    .all();
  for (const { id: old } of superfluous) tx.delete(installs).where(eq(installs.id, old)).run();
}

const installColumns = {
  id: installs.id,
  machine: installs.machine,
  os: installs.os,
  spec: installs.spec,
  queuedAt: installs.queuedAt,
  startedAt: installs.startedAt,
  endedAt: installs.endedAt,
  outcome: installs.outcome,
  reason: installs.reason,
};

export function findInstall(read: Queries, id: string): InstallRecord | undefined {
  const row = read.select(installColumns).from(installs).where(eq(installs.id, id)).get();
  return row && toInstall(row);
}

/** Newest first. */
export function installsOf(read: Queries, mac: Mac): InstallRecord[] {
  return read
    .select(installColumns)
    .from(installs)
    .where(eq(installs.machine, mac))
    .orderBy(desc(installs.queuedAt))
    .all()
    .map(toInstall);
}

function toInstall(
  row: {
    [Key in keyof typeof installColumns]: (typeof installs.$inferSelect)[Key];
  },
): InstallRecord {
  const { machine, spec, outcome, startedAt, endedAt, reason, ...rest } = row;
  return {
    ...rest,
    mac: parseMac(machine),
    // checked: written by insertInstall from a parsed spec
    spec: JSON.parse(spec) as InstallSpec,
    startedAt: startedAt ?? undefined,
    endedAt: endedAt ?? undefined,
    // checked: written by endInstall
    outcome: (outcome as InstallOutcome | null) ?? undefined,
    reason: reason ?? undefined,
  };
}

export function startInstall(tx: Queries, id: string, at: number): void {
  tx.update(installs).set({ startedAt: at }).where(eq(installs.id, id)).run();
}

export function resumeInstall(tx: Queries, id: string): void {
  tx.update(installs).set({ endedAt: null, outcome: null, reason: null }).where(eq(installs.id, id)).run();
}

export function endInstall(
  tx: Queries,
  id: string,
  end: {
    at: number;
    outcome: InstallOutcome;
    reason: string | undefined;
    durations: PastInstall | undefined;
  },
): void {
  tx.update(installs)
    .set({
      endedAt: end.at,
      outcome: end.outcome,
      reason: end.reason ?? null,
      durations: end.durations === undefined ? null : JSON.stringify(end.durations),
    })
    .where(eq(installs.id, id))
    .run();
}

/** The stage durations of the last `limit` installs of `os` that ended well, newest first. */
export function pastInstalls(read: Queries, os: string, limit: number): PastInstall[] {
  return (
    read
      .select({ durations: installs.durations })
      .from(installs)
      .where(and(eq(installs.os, os), eq(installs.outcome, "installed")))
      .orderBy(desc(installs.endedAt))
      .limit(limit)
      .all()
      // checked: written by endInstall
      .map(({ durations }) => JSON.parse(durations ?? "{}") as PastInstall)
  );
}

/** Stores a fresh token; of those nobody claimed, only the newest few stay valid. */
export function insertToken(tx: Queries, token: Omit<TokenRecord, "claimedAt" | "served">): void {
  const { installId, ...values } = token;
  tx.insert(installTokens)
    .values({ ...values, install: installId })
    .run();
  const superfluous = tx
    .select({ hash: installTokens.hash })
    .from(installTokens)
    .where(and(eq(installTokens.install, installId), isNull(installTokens.claimedAt)))
    .orderBy(desc(installTokens.issuedAt))
    .limit(100)
    .offset(maxUnclaimedTokens)
    .all();
  for (const { hash } of superfluous) tx.delete(installTokens).where(eq(installTokens.hash, hash)).run();
}

export function findToken(read: Queries, hash: string): TokenRecord | undefined {
  const row = read.select().from(installTokens).where(eq(installTokens.hash, hash)).get();
  return row && toToken(row);
}

/** Tokens that fetched their install data, of installs that are their machine's current one. */
export function claimedTokens(read: Queries): { hash: string; installId: string; mac: Mac }[] {
  return read
    .select({ hash: installTokens.hash, installId: installTokens.install, mac: machines.mac })
    .from(installTokens)
    .innerJoin(machines, eq(machines.install, installTokens.install))
    .where(isNotNull(installTokens.claimedAt))
    .all()
    .map(({ mac, ...rest }) => ({ ...rest, mac: parseMac(mac) }));
}

/** Marks `file` as fetched with this token; the other tokens of its install end with the first. */
export function saveServed(tx: Queries, token: TokenRecord, file: string, at: number): void {
  tx.update(installTokens)
    .set({ claimedAt: token.claimedAt ?? at, served: JSON.stringify([...token.served, file]) })
    .where(eq(installTokens.hash, token.hash))
    .run();
  if (token.claimedAt === undefined) {
    tx.delete(installTokens)
      .where(and(eq(installTokens.install, token.installId), isNull(installTokens.claimedAt)))
      .run();
  }
}

export function deleteTokens(tx: Queries, installId: string): void {
  tx.delete(installTokens).where(eq(installTokens.install, installId)).run();
}

function toToken(row: typeof installTokens.$inferSelect): TokenRecord {
  return {
    hash: row.hash,
    installId: row.install,
    mac: parseMac(row.mac),
    firmware: row.firmware === "uefi" ? "uefi" : "bios",
    arch: row.arch === "arm64" ? "arm64" : "x86_64",
    baseUrl: row.baseUrl,
    issuedAt: row.issuedAt,
    claimedAt: row.claimedAt ?? undefined,
    // checked: written by saveServed
    served: JSON.parse(row.served) as string[],
  };
}
