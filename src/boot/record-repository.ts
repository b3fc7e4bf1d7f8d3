import { and, asc, desc, eq, gt, inArray, notInArray, sql } from "drizzle-orm";
import { type Mac, readMac } from "../platform/mac.ts";
import type { Queries, Store } from "../store/database.ts";
import { bootFacts, boots } from "../store/schema/boot-record.ts";
import { bootFactSchema, type Phase } from "./boot-fact.ts";
import type { Entry } from "./boot-seen.ts";

/** One boot of one machine, without its facts. Times are milliseconds since the epoch. */
export interface BootHead {
  id: number;
  mac: Mac;
  startedAt: number;
  lastAt: number;
  phase: Phase;
  /** Facts that found no room. */
  dropped: number;
}

export interface RecordedBoot extends BootHead {
  entries: Entry[];
}

export interface RecordRepository {
  /** The boots that may still go on, with the number their next fact gets; and the highest id there is. */
  loadOpen(since: number): Promise<{ open: (BootHead & { nextSeq: number })[]; lastId: number }>;
  /** Heads and facts in one transaction; what is there already is replaced. */
  save(
    heads: readonly BootHead[],
    entries: readonly (Entry & { bootId: number; seq: number })[],
  ): Promise<void>;
  /** Keeps the newest `perMachine` boots of each of these, and `inAll` of all: those that came least far go first. */
  prune(macs: readonly Mac[], perMachine: number, inAll: number): Promise<void>;
  /** The machine's boots, newest first. */
  boots(mac: Mac, limit: number): Promise<RecordedBoot[]>;
}

export function createRecordRepository(store: Store): RecordRepository {
  const headOf = (row: typeof boots.$inferSelect): BootHead[] => {
    const mac = readMac(row.mac);
    return mac === undefined ? [] : [{ ...row, mac, phase: phaseFrom(row.phase) }];
  };

  return {
    async loadOpen(since) {
      const [last] = await store.read.select({ id: sql<number | null>`max(${boots.id})` }).from(boots);
      const rows = await store.read
        .select({ boot: boots, lastSeq: sql<number | null>`max(${bootFacts.seq})` })
        .from(boots)
        .leftJoin(bootFacts, eq(bootFacts.bootId, boots.id))
        .where(gt(boots.lastAt, since))
        .groupBy(boots.id)
        .orderBy(asc(boots.lastAt));
      const open = rows.flatMap(({ boot, lastSeq }) =>
        headOf(boot).map((head) => ({ ...head, nextSeq: (lastSeq ?? -1) + 1 })),
      );
      return { open, lastId: last?.id ?? 0 };
    },
    async save(heads, entries) {
      await store.transaction((tx) => {
        const { putBoot, putFact } = tx.prepared(statements);
        for (const head of heads) putBoot.run({ ...head });
        for (const { bootId, seq, lastAt, times, fact } of entries)
          putFact.run({ bootId, seq, lastAt, times, fact: JSON.stringify(fact) });
      });
    },
    async prune(macs, perMachine, inAll) {
      await store.transaction((tx) => {
        const { keepNewest } = tx.prepared(statements);
        for (const mac of macs) keepNewest.run({ mac, perMachine });
        const [{ total } = { total: 0 }] = tx.select({ total: sql<number>`count(*)` }).from(boots).all();
        if (total <= inAll) return;
        const least = tx
          .select({ id: boots.id })
          .from(boots)
          .orderBy(asc(boots.phase), asc(boots.id))
          .limit(total - inAll);
        tx.delete(boots).where(inArray(boots.id, least)).run();
      });
    },
    async boots(mac, limit) {
      const rows = await store.read
        .select()
        .from(boots)
        .where(eq(boots.mac, mac))
        .orderBy(desc(boots.id))
        .limit(limit);
      const facts = await store.read
        .select()
        .from(bootFacts)
        .where(
          inArray(
            bootFacts.bootId,
            rows.map(({ id }) => id),
          ),
        )
        .orderBy(asc(bootFacts.bootId), asc(bootFacts.seq));
      const byBoot = Map.groupBy(facts, ({ bootId }) => bootId);
      return rows.flatMap(headOf).map((head) => ({
        ...head,
        entries: (byBoot.get(head.id) ?? []).flatMap(({ fact, times, lastAt }): Entry[] => {
          const read = bootFactSchema.safeParse(JSON.parse(fact));
          return read.success ? [{ fact: read.data, times, lastAt }] : [];
        }),
      }));
    },
  };
}

function phaseFrom(value: number): Phase {
  return value === 1 || value === 2 || value === 3 || value === 4 ? value : 0;
}

function statements(queries: Queries) {
  const { placeholder } = sql;
  const newest = queries
    .select({ id: boots.id })
    .from(boots)
    .where(eq(boots.mac, placeholder("mac")))
    .orderBy(desc(boots.id))
    .limit(placeholder("perMachine"));
  return {
    keepNewest: queries
      .delete(boots)
      .where(and(eq(boots.mac, placeholder("mac")), notInArray(boots.id, newest)))
      .prepare(),
    putBoot: queries
      .insert(boots)
      .values({
        id: placeholder("id"),
        mac: placeholder("mac"),
        startedAt: placeholder("startedAt"),
        lastAt: placeholder("lastAt"),
        phase: placeholder("phase"),
        dropped: placeholder("dropped"),
      })
      .onConflictDoUpdate({
        target: boots.id,
        set: {
          lastAt: sql`excluded.last_at`,
          phase: sql`excluded.phase`,
          dropped: sql`excluded.dropped`,
        },
      })
      .prepare(),
    putFact: queries
      .insert(bootFacts)
      .values({
        bootId: placeholder("bootId"),
        seq: placeholder("seq"),
        lastAt: placeholder("lastAt"),
        times: placeholder("times"),
        fact: placeholder("fact"),
      })
      .onConflictDoUpdate({
        target: [bootFacts.bootId, bootFacts.seq],
        set: { lastAt: sql`excluded.last_at`, times: sql`excluded.times`, fact: sql`excluded.fact` },
      })
      .prepare(),
  };
}
