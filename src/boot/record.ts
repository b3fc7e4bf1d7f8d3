import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import type { Mac } from "../platform/mac.ts";
import { type BootFact, isSame, phaseOf } from "./boot-fact.ts";
import type { Entry } from "./boot-seen.ts";
import { createLatest } from "./latest.ts";
import type { BootHead, RecordedBoot, RecordRepository } from "./record-repository.ts";

/** What is kept at most. */
const limits = {
  /** Boots of one machine, and in all. */
  perMachine: 5,
  inAll: 20_000,
  /** Facts of one boot. */
  perBoot: 200,
  /** Boots under way that are remembered, so that facts join them. */
  open: 16_384,
  /** Facts that wait to be written. */
  waiting: 20_000,
};
const flushEvery = 500;
const flushAt = 2000;
/** Mere counts wait longer: ten thousand machines asking again and again change ten thousand rows each time. */
const countEvery = 5000;
/** Nothing joins a boot that was silent for so long (milliseconds); firmware that starts over is sooner a new one. */
const forgottenAfter = 3_600_000;
const firmwarePatience = 120_000;

interface OpenBoot {
  head: BootHead;
  nextSeq: number;
  last: Stored | undefined;
  /** Transfers under way by path, to be replaced by how they ended. */
  transfers: Map<string, Stored>;
}
interface Stored extends Entry {
  bootId: number;
  seq: number;
}

/** The timeline of each machine's boots. Facts are taken at once and written in batches; none waits for the disk. */
export interface BootRecord {
  add(mac: Mac, fact: BootFact): void;
  /** Whether a boot of it is under way: facts of others that merely want an address are not worth composing. */
  follows(mac: Mac): boolean;
  /** The machine's boots, newest first. */
  boots(mac: Mac): Promise<RecordedBoot[]>;
  /** Facts that found no room since the start. */
  dropped(): number;
  stop(): Promise<void>;
}

export interface BootRecordDeps {
  repository: RecordRepository;
  clock: Clock;
  log: Logger;
}

export async function createBootRecord(deps: BootRecordDeps): Promise<BootRecord> {
  const { repository, clock, log } = deps;
  const open = createLatest<Mac, OpenBoot>(limits.open);
  const waiting = new Map<string, Stored>();
  const counted = new Map<Stored, OpenBoot>();
  const touched = new Map<number, BootHead>();
  const begun = new Set<Mac>();
  let droppedInAll = 0;
  let flushing: Promise<void> | undefined;
  const flushSoon = createSoon(clock, flushEvery, () => void flush());
  const countSoon = createSoon(clock, countEvery, () => void flushCounts());

  const saved = await repository.loadOpen(clock.now() - forgottenAfter);
  let nextId = saved.lastId + 1;
  for (const { nextSeq, ...head } of saved.open.slice(-limits.open))
    open.put(head.mac, { head, nextSeq, last: undefined, transfers: new Map() });

  function begin(mac: Mac, at: number): OpenBoot {
    const head: BootHead = { id: nextId++, mac, startedAt: at, lastAt: at, phase: 0, dropped: 0 };
    const boot: OpenBoot = { head, nextSeq: 0, last: undefined, transfers: new Map() };
    open.put(mac, boot);
    begun.add(mac);
    return boot;
  }

  function write(boot: OpenBoot, stored: Stored): boolean {
    const key = `${stored.bootId} ${stored.seq}`;
    if (waiting.size >= limits.waiting && !waiting.has(key)) return false;
    waiting.set(key, stored);
    touched.set(boot.head.id, boot.head);
    if (waiting.size >= flushAt) void flush();
    else flushSoon.ask();
    return true;
  }

  function append(boot: OpenBoot, fact: BootFact): void {
    const { head, last } = boot;
    head.lastAt = Math.max(head.lastAt, fact.at);
    const phase = phaseOf(fact);
    if (phase > head.phase) head.phase = phase;
    if (fact.kind === "transfer" && fact.outcome !== "running") {
      const running = boot.transfers.get(fact.path);
      boot.transfers.delete(fact.path);
      if (running) {
        running.fact = { ...fact, at: running.fact.at };
        running.lastAt = head.lastAt;
        write(boot, running);
        return;
      }
    }
    if (last && isSame(last.fact, fact)) {
      last.times++;
      last.lastAt = fact.at;
      if (counted.size < limits.waiting) counted.set(last, boot);
      countSoon.ask();
      return;
    }
    const stored: Stored = { bootId: head.id, seq: boot.nextSeq, fact, times: 1, lastAt: fact.at };
    if (boot.nextSeq >= limits.perBoot || !write(boot, stored)) {
      head.dropped++;
      droppedInAll++;
      return;
    }
    boot.nextSeq++;
    boot.last = stored;
    if (fact.kind === "transfer" && boot.transfers.size < 16) boot.transfers.set(fact.path, stored);
  }

  /** Resolves once everything that waited when it was called is written. */
  async function flush(): Promise<void> {
    while (flushing !== undefined || waiting.size > 0) {
      flushing ??= writeAll().finally(() => {
        flushing = undefined;
      });
      await flushing;
    }
  }

  async function writeAll(): Promise<void> {
    const entries = [...waiting.values()].map((stored) => ({ ...stored }));
    const heads = [...touched.values()].map((head) => ({ ...head }));
    const macs = [...begun];
    waiting.clear();
    touched.clear();
    begun.clear();
    try {
      await repository.save(heads, entries);
      if (macs.length > 0) await repository.prune(macs, limits.perMachine, limits.inAll);
    } catch (error) {
      // The record is worth having and not worth stopping a boot for.
      droppedInAll += entries.length;
      log.warn("boot record: facts were lost", { facts: entries.length, error: String(error) });
    }
  }

  function flushCounts(): Promise<void> {
    for (const [stored, boot] of counted) write(boot, stored);
    counted.clear();
    return flush();
  }

  return {
    add(mac, fact) {
      const current = open.get(mac);
      const known = current && fact.at - current.head.lastAt < forgottenAfter ? current : undefined;
      if (!known && !mayBegin(fact)) return;
      append(known && !startsOver(known.head, fact) ? known : begin(mac, fact.at), fact);
    },
    follows: (mac) => open.get(mac) !== undefined,
    async boots(mac) {
      await flushCounts();
      return repository.boots(mac, limits.perMachine);
    },
    dropped: () => droppedInAll,
    async stop() {
      flushSoon.cancel();
      countSoon.cancel();
      await flushCounts();
    },
  };
}

/** Runs once a while after it was asked for, however often that is: where nothing happens, nothing wakes. */
function createSoon(clock: Clock, ms: number, run: () => void): { ask(): void; cancel(): void } {
  let cancel: (() => void) | undefined;
  return {
    ask() {
      cancel ??= clock.after(ms, () => {
        cancel = undefined;
        run();
      });
    },
    cancel: () => cancel?.(),
  };
}

/** Whoever merely wants an address, or fetches a file out of the blue, is not a machine that boots. */
function mayBegin(fact: BootFact): boolean {
  if (fact.kind === "dhcp") return fact.client !== "plain";
  return fact.kind !== "fetch" && fact.kind !== "tftp-refused" && fact.kind !== "trouble";
}

/** The machine was switched on again: its firmware or loader does what it had done before. */
function startsOver(head: BootHead, fact: BootFact): boolean {
  if (fact.kind === "dhcp" && fact.message === "DHCPDISCOVER") {
    if (fact.client === "pxe" || fact.client === "http") {
      return head.phase >= 1 || fact.at - head.lastAt > firmwarePatience;
    }
    if (fact.client === "ipxe") return head.phase >= 2 || fact.at - head.lastAt > firmwarePatience;
  }
  // A boot without DHCP of ours: an ISO, or another server's.
  return fact.kind === "script" && head.phase >= 3;
}
