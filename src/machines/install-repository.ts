import { and, desc, eq, isNotNull, isNull, notInArray, sql } from "drizzle-orm";
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
  const row = read.prepared(statements).install.get({ id });
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
  tx.prepared(statements).start.run({ id, at });
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
  tx.prepared(statements).end.run({
    id,
    at: end.at,
    outcome: end.outcome,
    reason: end.reason ?? null,
    durations: end.durations === undefined ? null : JSON.stringify(end.durations),
  });
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
  const { putToken, dropOldTokens } = tx.prepared(statements);
  putToken.run({ ...token });
  dropOldTokens.run({ installId: token.installId });
}

export function findToken(read: Queries, hash: string): TokenRecord | undefined {
  const row = read.prepared(statements).token.get({ hash });
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
  const { claim, dropUnclaimed } = tx.prepared(statements);
  const served = JSON.stringify([...token.served, file]);
  claim.run({ hash: token.hash, at: token.claimedAt ?? at, served });
  if (token.claimedAt === undefined) dropUnclaimed.run({ installId: token.installId });
}

export function deleteTokens(tx: Queries, installId: string): void {
  tx.delete(installTokens).where(eq(installTokens.install, installId)).run();
}

/** Of what each boot and each install asks. */
function statements(queries: Queries) {
  const { placeholder } = sql;
  const given = (name: string) => sql`${placeholder(name)}`;
  const unclaimed = and(eq(installTokens.install, placeholder("installId")), isNull(installTokens.claimedAt));
  const newest = queries
    .select({ hash: installTokens.hash })
    .from(installTokens)
    .where(unclaimed)
    .orderBy(desc(installTokens.issuedAt))
    .limit(maxUnclaimedTokens);
  return {
    install: queries
      .select(installColumns)
      .from(installs)
      .where(eq(installs.id, placeholder("id")))
      .prepare(),
    start: queries
      .update(installs)
      .set({ startedAt: given("at") })
      .where(eq(installs.id, placeholder("id")))
      .prepare(),
    end: queries
      .update(installs)
      .set({
        endedAt: given("at"),
        outcome: given("outcome"),
        reason: given("reason"),
        durations: given("durations"),
      })
      .where(eq(installs.id, placeholder("id")))
      .prepare(),
    putToken: queries
      .insert(installTokens)
      .values({
        hash: placeholder("hash"),
        install: placeholder("installId"),
        mac: placeholder("mac"),
        firmware: placeholder("firmware"),
        arch: placeholder("arch"),
        baseUrl: placeholder("baseUrl"),
        issuedAt: placeholder("issuedAt"),
      })
      .prepare(),
    dropOldTokens: queries
      .delete(installTokens)
      .where(and(unclaimed, notInArray(installTokens.hash, newest)))
      .prepare(),
    token: queries
      .select()
      .from(installTokens)
      .where(eq(installTokens.hash, placeholder("hash")))
      .prepare(),
    claim: queries
      .update(installTokens)
      .set({ claimedAt: given("at"), served: given("served") })
      .where(eq(installTokens.hash, placeholder("hash")))
      .prepare(),
    dropUnclaimed: queries.delete(installTokens).where(unclaimed).prepare(),
  };
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
