import { and, asc, count, desc, eq, gt, lte, max, sql } from "drizzle-orm";
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
  countReports(tx: Queries, installId: string): number;
  /** Batches after `event`, oldest first. */
  batchesAfter(read: Queries, mac: Mac, event: number, limit: number): LogBatch[];
  reportsOf(read: Queries, installId: string): NumberedReport[];
  readGaps(read: Queries, installId: string): Pick<Sequence, "gaps" | "lost">;
}

export function createLogRepository(): LogRepository {
  const prepare = memoPerConnection((tx) => ({
    insert: tx
      .insert(installLogs)
      .values({
        machine: sql.placeholder("machine"),
        event: sql.placeholder("event"),
        install: sql.placeholder("install"),
        count: sql.placeholder("count"),
        machineTotal: sql.placeholder("machineTotal"),
        installTotal: sql.placeholder("installTotal"),
        highest: sql.placeholder("highest"),
        at: sql.placeholder("at"),
        lines: sql.placeholder("lines"),
      })
      .prepare(),
    trim: tx
      .delete(installLogs)
      .where(
        and(
          eq(installLogs.machine, sql.placeholder("machine")),
          lte(installLogs.machineTotal, sql.placeholder("last")),
        ),
      )
      .prepare(),
    after: tx
      .select()
      .from(installLogs)
      .where(
        and(
          eq(installLogs.machine, sql.placeholder("machine")),
          // A batch may have begun before `event` and reach past it; the first condition is for the index.
          gt(installLogs.event, sql`${sql.placeholder("event")} - ${maxBatchLines}`),
          gt(sql`${installLogs.event} + ${installLogs.count} - 1`, sql.placeholder("event")),
        ),
      )
      .orderBy(asc(installLogs.event))
      .limit(sql.placeholder("limit"))
      .prepare(),
    insertReport: tx
      .insert(installStages)
      .values({
        install: sql.placeholder("install"),
        seq: sql.placeholder("seq"),
        event: sql.placeholder("event"),
        stage: sql.placeholder("stage"),
        outcome: sql.placeholder("outcome"),
        message: sql.placeholder("message"),
        at: sql.placeholder("at"),
      })
      .prepare(),
    reports: tx
      .select()
      .from(installStages)
      .where(eq(installStages.install, sql.placeholder("install")))
      .orderBy(asc(installStages.event))
      .prepare(),
    report: tx
      .select({ seq: installStages.seq })
      .from(installStages)
      .where(
        and(
          eq(installStages.install, sql.placeholder("install")),
          eq(installStages.seq, sql.placeholder("seq")),
        ),
      )
      .prepare(),
  }));

  function reportsOf(read: Queries, installId: string): NumberedReport[] {
    return prepare(read)
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
    const row = read
      .select({ gaps: installs.gaps, lost: installs.lost })
      .from(installs)
      .where(eq(installs.id, installId))
      .get();
    // checked: written by saveGaps
    return { gaps: JSON.parse(row?.gaps ?? "[]") as [number, number][], lost: row?.lost ?? 0 };
  }

  return {
    insertBatch(tx, mac, { installId, lines, ...batch }) {
      prepare(tx).insert.run({
        ...batch,
        machine: mac,
        install: installId,
        count: lines.length,
        lines: JSON.stringify(lines),
      });
    },
    trim(tx, mac, machineTotal) {
      prepare(tx).trim.run({ machine: mac, last: machineTotal - ringLines });
    },
    loadTail(tx, mac, installId) {
      const last = tx
        .select({
          event: installLogs.event,
          count: installLogs.count,
          machineTotal: installLogs.machineTotal,
        })
        .from(installLogs)
        .where(eq(installLogs.machine, mac))
        .orderBy(desc(installLogs.event))
        .limit(1)
        .get();
      const own = tx
        .select({ total: max(installLogs.installTotal), highest: max(installLogs.highest) })
        .from(installLogs)
        .where(and(eq(installLogs.machine, mac), eq(installLogs.install, installId)))
        .get();
      const reported = tx
        .select({ event: max(installStages.event), seq: max(installStages.seq) })
        .from(installStages)
        .innerJoin(installs, eq(installs.id, installStages.install))
        .where(eq(installs.machine, mac))
        .get();
      const ownReports = tx
        .select({ seq: max(installStages.seq) })
        .from(installStages)
        .where(eq(installStages.install, installId))
        .get();
      return {
        event: Math.max(last ? last.event + last.count - 1 : 0, reported?.event ?? 0),
        machineTotal: last?.machineTotal ?? 0,
        installTotal: own?.total ?? 0,
        sequence: {
          highest: Math.max(own?.highest ?? -1, ownReports?.seq ?? -1),
          ...readGaps(tx, installId),
        },
      };
    },
    saveGaps(tx, installId, { gaps, lost }) {
      tx.update(installs)
        .set({ gaps: JSON.stringify(gaps), lost })
        .where(eq(installs.id, installId))
        .run();
    },
    hasReport: (tx, installId, seq) => prepare(tx).report.get({ install: installId, seq }) !== undefined,
    insertReport(tx, { installId, message, ...report }) {
      prepare(tx).insertReport.run({ ...report, install: installId, message: message ?? null });
    },
    countReports: (tx, installId) =>
      tx.select({ n: count() }).from(installStages).where(eq(installStages.install, installId)).get()?.n ?? 0,
    batchesAfter: (read, mac, event, limit) =>
      prepare(read)
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

function memoPerConnection<T>(make: (tx: Queries) => T): (tx: Queries) => T {
  const made = new WeakMap<Queries, T>();
  return (tx) => {
    const known = made.get(tx);
    if (known !== undefined) return known;
    const fresh = make(tx);
    made.set(tx, fresh);
    return fresh;
  };
}
