import { and, asc, count, desc, eq, gt, lt, max, sql } from "drizzle-orm";
import type { Mac } from "../platform/mac.ts";
import type { Queries } from "../store/database.ts";
import { installLogs, installStages, installs } from "../store/schema/machines.ts";
import type { StoredLine } from "./log-line.ts";
import type { Sequence } from "./sequence.ts";
import type { StageOutcome, StageReport } from "./stage.ts";

/** Lines kept for each machine, whichever install they are of. */
export const ringLines = 2000;
/** Lines accepted at once. */
export const maxBatchLines = 1000;

export interface LogBatch {
  /** Number of its first line among all that happened to the machine; the other lines follow. */
  event: number;
  installId: string;
  lines: readonly StoredLine[];
  /** Lines of the machine, and of the install, up to and with these. */
  machineTotal: number;
  installTotal: number;
  highest: number;
  at: number;
}

export type NumberedReport = StageReport & { event: number; installId: string };

/** Where the numbering of a machine's current install stands. */
export interface TailState {
  event: number;
  machineTotal: number;
  installTotal: number;
  /** Stages the install has reported. */
  reports: number;
  sequence: Sequence;
}

/** The log's statements, prepared once for the connection they are first used on. */
export interface LogRepository {
  insertBatch(tx: Queries, mac: Mac, batch: LogBatch): void;
  /** Drops the batches whose lines are all older than the ring. */
  trim(tx: Queries, mac: Mac, machineTotal: number): void;
  loadTail(tx: Queries, mac: Mac, installId: string): TailState;
  saveGaps(tx: Queries, installId: string, sequence: Sequence): void;
  hasReport(tx: Queries, installId: string, seq: number): boolean;
  insertReport(tx: Queries, report: NumberedReport): void;
  /** Batches after `event`, oldest first. */
  batchesAfter(read: Queries, mac: Mac, event: number, limit: number): LogBatch[];
  reportsOf(read: Queries, installId: string): NumberedReport[];
  readGaps(read: Queries, installId: string): Pick<Sequence, "gaps" | "lost">;
}

export function createLogRepository(): LogRepository {
  function reportsOf(read: Queries, installId: string): NumberedReport[] {
    return read
      .prepared(statements)
      .reports.all({ install: installId })
      .map(({ install, message, outcome, ...rest }) => ({
        ...rest,
        installId: install,
        // checked: written by insertReport
        outcome: outcome as StageOutcome,
        ...(message === null ? {} : { message }),
      }));
  }

  function readGaps(read: Queries, installId: string): Pick<Sequence, "gaps" | "lost"> {
    const row = read.prepared(statements).gaps.get({ install: installId });
    // checked: written by saveGaps
    return { gaps: JSON.parse(row?.gaps ?? "[]") as [number, number][], lost: row?.lost ?? 0 };
  }

  return {
    insertBatch(tx, mac, { installId, lines, ...batch }) {
      tx.prepared(statements).insert.run({
        ...batch,
        machine: mac,
        install: installId,
        count: lines.length,
        lines: JSON.stringify(lines),
      });
    },
    trim(tx, mac, machineTotal) {
      tx.prepared(statements).trim.run({ machine: mac, last: machineTotal - ringLines });
    },
    loadTail(tx, mac, installId) {
      const { last, lastOwn, lastReported, reported } = tx.prepared(statements);
      const batch = last.get({ machine: mac });
      const own = lastOwn.get({ machine: mac, install: installId });
      return {
        event: Math.max(
          batch ? batch.event + batch.count - 1 : 0,
          lastReported.get({ machine: mac })?.event ?? 0,
        ),
        machineTotal: batch?.machineTotal ?? 0,
        installTotal: own?.total ?? 0,
        reports: reported.get({ install: installId })?.reports ?? 0,
        // stages are numbered apart
        sequence: { highest: own?.highest ?? -1, ...readGaps(tx, installId) },
      };
    },
    saveGaps(tx, installId, { gaps, lost }) {
      tx.update(installs)
        .set({ gaps: JSON.stringify(gaps), lost })
        .where(eq(installs.id, installId))
        .run();
    },
    hasReport: (tx, installId, seq) =>
      tx.prepared(statements).report.get({ install: installId, seq }) !== undefined,
    insertReport(tx, { installId, message, ...report }) {
      tx.prepared(statements).insertReport.run({ ...report, install: installId, message: message ?? null });
    },
    batchesAfter: (read, mac, event, limit) =>
      read
        .prepared(statements)
        .after.all({ machine: mac, event, limit })
        .map(({ machine: _, install, count: __, lines, ...rest }) => ({
          ...rest,
          installId: install,
          // checked: written by insertBatch
          lines: JSON.parse(lines) as StoredLine[],
        })),
    reportsOf,
    readGaps,
  };
}

function statements(queries: Queries) {
  const { placeholder } = sql;
  return {
    insert: queries
      .insert(installLogs)
      .values({
        machine: placeholder("machine"),
        event: placeholder("event"),
        install: placeholder("install"),
        count: placeholder("count"),
        machineTotal: placeholder("machineTotal"),
        installTotal: placeholder("installTotal"),
        highest: placeholder("highest"),
        at: placeholder("at"),
        lines: placeholder("lines"),
      })
      .prepare(),
    trim: queries
      .delete(installLogs)
      .where(
        and(
          eq(installLogs.machine, placeholder("machine")),
          // Read from the oldest to the first that stays: the total alone, in no index, would have all of them read.
          lt(
            installLogs.event,
            queries
              .select({ event: installLogs.event })
              .from(installLogs)
              .where(
                and(
                  eq(installLogs.machine, placeholder("machine")),
                  gt(installLogs.machineTotal, placeholder("last")),
                ),
              )
              .orderBy(asc(installLogs.event))
              .limit(1),
          ),
        ),
      )
      .prepare(),
    after: queries
      .select()
      .from(installLogs)
      .where(
        and(
          eq(installLogs.machine, placeholder("machine")),
          // A batch may have begun before `event` and reach past it; the first condition is for the index.
          gt(installLogs.event, sql`${placeholder("event")} - ${maxBatchLines}`),
          gt(sql`${installLogs.event} + ${installLogs.count} - 1`, placeholder("event")),
        ),
      )
      .orderBy(asc(installLogs.event))
      .limit(placeholder("limit"))
      .prepare(),
    last: queries
      .select({
        event: installLogs.event,
        count: installLogs.count,
        machineTotal: installLogs.machineTotal,
      })
      .from(installLogs)
      .where(eq(installLogs.machine, placeholder("machine")))
      .orderBy(desc(installLogs.event))
      .limit(1)
      .prepare(),
    lastOwn: queries
      .select({ total: installLogs.installTotal, highest: installLogs.highest })
      .from(installLogs)
      .where(
        and(eq(installLogs.machine, placeholder("machine")), eq(installLogs.install, placeholder("install"))),
      )
      .orderBy(desc(installLogs.event))
      .limit(1)
      .prepare(),
    lastReported: queries
      .select({ event: max(installStages.event) })
      .from(installStages)
      .innerJoin(installs, eq(installs.id, installStages.install))
      .where(eq(installs.machine, placeholder("machine")))
      .prepare(),
    reported: queries
      .select({ reports: count() })
      .from(installStages)
      .where(eq(installStages.install, placeholder("install")))
      .prepare(),
    gaps: queries
      .select({ gaps: installs.gaps, lost: installs.lost })
      .from(installs)
      .where(eq(installs.id, placeholder("install")))
      .prepare(),
    insertReport: queries
      .insert(installStages)
      .values({
        install: placeholder("install"),
        seq: placeholder("seq"),
        event: placeholder("event"),
        stage: placeholder("stage"),
        outcome: placeholder("outcome"),
        message: placeholder("message"),
        at: placeholder("at"),
      })
      .prepare(),
    reports: queries
      .select()
      .from(installStages)
      .where(eq(installStages.install, placeholder("install")))
      .orderBy(asc(installStages.event))
      .prepare(),
    report: queries
      .select({ seq: installStages.seq })
      .from(installStages)
      .where(
        and(eq(installStages.install, placeholder("install")), eq(installStages.seq, placeholder("seq"))),
      )
      .prepare(),
  };
}
