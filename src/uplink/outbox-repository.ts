import { and, asc, count, eq, gt, lte, sum } from "drizzle-orm";
import { z } from "zod";
import { type MachineFact, machineFact } from "../machines/service.ts";
import type { Queries } from "../store/database.ts";
import { outbox, outboxState } from "../store/schema/uplink.ts";

export interface NumberedFact {
  seq: number;
  fact: MachineFact;
}

export interface OutboxState {
  /** Of this outbox and no other: one that was made anew counts from the start. */
  id: string;
  /** labd has everything up to this number. */
  acknowledged: number;
}

export const readState = (read: Queries): OutboxState | undefined => read.select().from(outboxState).get();

/** Empties the outbox; from now on it is another one. */
export function beginAnew(tx: Queries, id: string): void {
  tx.delete(outbox).run();
  tx.delete(outboxState).run();
  tx.insert(outboxState).values({ id, acknowledged: 0 }).run();
}

/** Appends the fact; what it makes needless to tell goes. */
export function appendFact(tx: Queries, fact: MachineFact): void {
  const supersedes = supersededBy(fact);
  if (supersedes !== null) {
    tx.delete(outbox)
      .where(and(eq(outbox.mac, fact.mac), eq(outbox.supersedes, supersedes)))
      .run();
  }
  const lines = fact.kind === "lines" ? fact.lines.length : 0;
  tx.insert(outbox)
    .values({ kind: fact.kind, mac: fact.mac, supersedes, lines, fact: JSON.stringify(fact) })
    .run();
}

/** A machine that is discovered over and over is told once; each state and stage it passed is told. */
function supersededBy(fact: MachineFact): string | null {
  if (fact.kind !== "machine") return null;
  const { state } = fact.record.machine;
  const installId = "installId" in state ? state.installId : "";
  return `${state.kind} ${installId} ${"stage" in state ? state.stage : ""}`;
}

/** The facts after `seq` in their order. */
export function factsAfter(read: Queries, seq: number, limit: number): NumberedFact[] {
  return read
    .select({ seq: outbox.seq, fact: outbox.fact })
    .from(outbox)
    .where(gt(outbox.seq, seq))
    .orderBy(asc(outbox.seq))
    .limit(limit)
    .all()
    .map((row) => ({ seq: row.seq, fact: machineFact.parse(JSON.parse(row.fact)) }));
}

export function acknowledge(tx: Queries, seq: number): void {
  tx.delete(outbox).where(lte(outbox.seq, seq)).run();
  tx.update(outboxState).set({ acknowledged: seq }).run();
}

export function countWaiting(read: Queries): { facts: number; lines: number } {
  const row = read
    .select({ facts: count(), lines: sum(outbox.lines) })
    .from(outbox)
    .get();
  return { facts: row?.facts ?? 0, lines: z.coerce.number().parse(row?.lines ?? 0) };
}

/** Lets the oldest log lines go until `lines` of them are gone; notes for each machine how many. */
export function dropOldestLines(tx: Queries, lines: number): number {
  const oldest = tx
    .select({ seq: outbox.seq, mac: outbox.mac, lines: outbox.lines })
    .from(outbox)
    .where(eq(outbox.kind, "lines"))
    .orderBy(asc(outbox.seq))
    .limit(lines)
    .all();
  const byMachine = new Map<string, number>();
  let dropped = 0;
  let last = 0;
  for (const row of oldest) {
    if (dropped >= lines) break;
    dropped += row.lines;
    last = row.seq;
    byMachine.set(row.mac, (byMachine.get(row.mac) ?? 0) + row.lines);
  }
  tx.delete(outbox)
    .where(and(eq(outbox.kind, "lines"), lte(outbox.seq, last)))
    .run();
  for (const [mac, lost] of byMachine) appendFact(tx, machineFact.parse({ kind: "lost", mac, lines: lost }));
  return dropped;
}
