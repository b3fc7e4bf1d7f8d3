import { and, asc, desc, eq, gt, lt, ne, sql } from "drizzle-orm";
import type { Mac } from "../platform/mac.ts";
import type { Queries } from "../store/database.ts";
import { remoteEvents, remoteMachines } from "../store/schema/uplink.ts";
import { type MachineFact, type MachineRecord, machineFact, machineRecord } from "./fact.ts";
import { ringLines } from "./log-repository.ts";

/** A machine of a bastion elsewhere. */
export interface RemoteRecord extends MachineRecord {
  bastion: string;
  /** Log lines that were lost before they could be told. */
  lost: number;
}

export type RemoteEvent = Extract<MachineFact, { kind: "stage" | "lines" }>;

export function loadRemote(read: Queries): RemoteRecord[] {
  return read.select().from(remoteMachines).all().map(toRecord);
}

const toRecord = (row: typeof remoteMachines.$inferSelect): RemoteRecord => ({
  ...machineRecord.parse(JSON.parse(row.record)),
  bastion: row.bastion,
  lost: row.lost,
});

const own = (bastion: string, mac: Mac) =>
  and(eq(remoteMachines.bastion, bastion), eq(remoteMachines.mac, mac));
const ownEvents = (bastion: string, mac: Mac) =>
  and(eq(remoteEvents.bastion, bastion), eq(remoteEvents.mac, mac));

export function saveRemote(tx: Queries, bastion: string, mac: Mac, record: MachineRecord): RemoteRecord {
  const text = JSON.stringify(record);
  const [row] = tx
    .insert(remoteMachines)
    .values({ bastion, mac, record: text })
    .onConflictDoUpdate({ target: [remoteMachines.bastion, remoteMachines.mac], set: { record: text } })
    .returning({ lost: remoteMachines.lost })
    .all();
  // The stages of installs before it are its bastion's to remember.
  tx.delete(remoteEvents)
    .where(
      and(
        ownEvents(bastion, mac),
        eq(remoteEvents.kind, "stage"),
        ne(remoteEvents.install, record.install?.id ?? ""),
      ),
    )
    .run();
  return { ...record, bastion, lost: row?.lost ?? 0 };
}

export function deleteRemote(tx: Queries, bastion: string, mac: Mac): void {
  tx.delete(remoteMachines).where(own(bastion, mac)).run();
}

export function deleteAllRemote(tx: Queries, bastion: string): void {
  tx.delete(remoteMachines).where(eq(remoteMachines.bastion, bastion)).run();
}

export function addLost(tx: Queries, bastion: string, mac: Mac, lines: number): void {
  tx.update(remoteMachines)
    .set({ lost: sql`${remoteMachines.lost} + ${lines}` })
    .where(own(bastion, mac))
    .run();
}

/** False for a machine that was forgotten, or an event that is there already. */
export function insertEvent(tx: Queries, bastion: string, event: RemoteEvent): boolean {
  const { mac, installId, kind } = event;
  const known = tx.select({ mac: remoteMachines.mac }).from(remoteMachines).where(own(bastion, mac)).get();
  if (known === undefined) return false;
  const count = event.kind === "lines" ? event.lines.length : 1;
  const inserted = tx
    .insert(remoteEvents)
    .values({
      bastion,
      mac,
      event: event.event,
      install: installId,
      kind,
      count,
      fact: JSON.stringify(event),
    })
    .onConflictDoNothing()
    .returning({ event: remoteEvents.event })
    .all();
  return inserted.length > 0;
}

/** Drops the batches whose lines are all older than the ring. */
export function trimLines(tx: Queries, bastion: string, mac: Mac): void {
  const batches = tx
    .select({ event: remoteEvents.event, count: remoteEvents.count })
    .from(remoteEvents)
    .where(and(ownEvents(bastion, mac), eq(remoteEvents.kind, "lines")))
    .orderBy(desc(remoteEvents.event))
    .all();
  let kept = 0;
  const last = batches.find(({ count }) => {
    kept += count;
    return kept - count >= ringLines;
  });
  if (last === undefined) return;
  tx.delete(remoteEvents)
    .where(
      and(ownEvents(bastion, mac), eq(remoteEvents.kind, "lines"), lt(remoteEvents.event, last.event + 1)),
    )
    .run();
}

/** Events that reach past `after`, oldest first. */
export function eventsAfter(
  read: Queries,
  bastion: string,
  mac: Mac,
  after: number,
  limit: number,
): RemoteEvent[] {
  return read
    .select({ fact: remoteEvents.fact })
    .from(remoteEvents)
    .where(and(ownEvents(bastion, mac), gt(sql`${remoteEvents.event} + ${remoteEvents.count} - 1`, after)))
    .orderBy(asc(remoteEvents.event))
    .limit(limit)
    .all()
    .flatMap(({ fact }) => {
      const parsed = machineFact.parse(JSON.parse(fact));
      return parsed.kind === "stage" || parsed.kind === "lines" ? [parsed] : [];
    });
}
