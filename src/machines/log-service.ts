import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Mac } from "../platform/mac.ts";
import type { Store } from "../store/database.ts";
import type { Claim } from "./claims.ts";
import { formatLogEvents, formatStageEvent } from "./event-stream.ts";
import type { MachineBus } from "./events.ts";
import type { Journal } from "./fact.ts";
import type { Feed } from "./feed.ts";
import { cutLine, type LogLine, presentable, type StoredLine } from "./log-line.ts";
import { type LogBatch, type LogRepository, maxBatchLines, ringLines } from "./log-repository.ts";
import type { Machine } from "./machine.ts";
import { createRateLimit } from "./rate-limit.ts";
import type { Registry } from "./registry.ts";
import { takeNumber } from "./sequence.ts";
import { foldStages, type Stage } from "./stage.ts";
import type { Tails } from "./tails.ts";

export interface Appended {
  accepted: number;
  /** Seen before, and dropped. */
  duplicates: number;
}

export interface ShownLine {
  seq: number;
  at: number;
  text: string;
  source?: string | undefined;
}

export interface InstallLogView {
  installId: string | undefined;
  stages: Stage[];
  /** The last of them, at most the ring's 2,000, in the order of their sequence numbers. */
  lines: ShownLine[];
  /** All that were accepted. */
  total: number;
  /** Sequence numbers nothing was received for, both ends included. */
  gaps: { from: number; to: number }[];
  /** Numbers of gaps too many to remember. */
  lost: number;
}

export interface InstallLogs {
  /** Resolves once the lines are durable. @throws `too-large`, `too-many`, `conflict` when the install has ended. */
  append(claim: Claim, lines: readonly LogLine[]): Promise<Appended>;
  view(machine: Machine): InstallLogView;
  stagesOf(machine: Machine): Stage[];
  follow(machine: Machine, after: number, lines: boolean): ReadableStream<Uint8Array>;
  /** When this install last gave a sign of life; `undefined` when not since this program started. */
  heardAt(mac: Mac): number | undefined;
}

/** Lines of one install. An installer that replays a whole syslog stays below; a runaway loop does not. */
const lineRate = { burst: 50_000, perSecond: 5000 };
/** The tail of a log arrives after the result: that of a failure matters most. */
const graceMs = 10 * 60_000;
/** Lines written between two trimmings of a ring. */
const trimEvery = 256;
/** Batches read at once for a follower that catches up. */
const readAhead = 50;

export function createInstallLogs({
  store,
  clock,
  registry,
  repository,
  tails,
  feed,
  bus,
  journal,
}: {
  store: Store;
  clock: Clock;
  registry: Registry;
  repository: LogRepository;
  tails: Tails;
  feed: Feed;
  bus: MachineBus;
  journal: Journal | undefined;
}): InstallLogs {
  const rate = createRateLimit(lineRate);
  const heard = new Map<Mac, number>();

  function checkOpen({ mac, installId }: Claim, now: number): void {
    const state = registry.byMac(mac)?.state;
    if (state && "installId" in state && state.installId === installId) {
      const running = state.kind === "installing" || state.kind === "stalled";
      if (running || now - state.since < graceMs) return;
    }
    throw new AppError("conflict", "the install has ended; its log is closed");
  }

  /** Takes the numbers that are new and stores their lines as one batch. */
  function insert(
    tx: Parameters<LogRepository["insertBatch"]>[0],
    { mac, installId }: Claim,
    lines: readonly LogLine[],
    now: number,
  ): LogBatch | undefined {
    const tail = tails.of(tx, mac, installId);
    const { sequence } = tail;
    const fresh: StoredLine[] = [];
    let gapsChanged = false;
    for (const { seq, text, source } of lines) {
      gapsChanged ||= seq !== Math.max(sequence.highest + 1, 1);
      if (!takeNumber(sequence, seq)) continue;
      fresh.push(source === undefined ? [seq, cutLine(text)] : [seq, cutLine(text), source]);
    }
    if (fresh.length === 0) return undefined;
    const batch: LogBatch = {
      event: tail.event + 1,
      installId,
      lines: fresh,
      machineTotal: tail.machineTotal + fresh.length,
      installTotal: tail.installTotal + fresh.length,
      highest: sequence.highest,
      at: now,
    };
    repository.insertBatch(tx, mac, batch);
    journal?.(tx, { kind: "lines", mac, installId, event: batch.event, lines: fresh, at: now });
    if (gapsChanged) repository.saveGaps(tx, installId, sequence);
    const trimmed = Math.floor(tail.machineTotal / trimEvery);
    if (batch.machineTotal > ringLines && Math.floor(batch.machineTotal / trimEvery) !== trimmed) {
      repository.trim(tx, mac, batch.machineTotal);
    }
    tail.event += fresh.length;
    tail.machineTotal = batch.machineTotal;
    tail.installTotal = batch.installTotal;
    return batch;
  }

  /** The next part of what a follower has missed, of the machine's current install. */
  function readOn(mac: Mac, after: number, withLines: boolean) {
    const machine = registry.byMac(mac);
    const installId = machine && installOf(machine);
    if (installId === undefined) return undefined;
    const batches = withLines ? repository.batchesAfter(store.read, mac, after, readAhead) : [];
    const reached = batches.at(-1);
    const end = reached && batches.length === readAhead ? lastEvent(reached) : Number.POSITIVE_INFINITY;
    const pieces = [
      ...batches
        .filter((batch) => batch.installId === installId)
        .map((batch) => from(batch, after + 1))
        .map((batch) => ({ event: batch.event, last: lastEvent(batch), text: formatLogEvents(batch) })),
      ...repository
        .reportsOf(store.read, installId)
        .filter(({ event }) => event > after && event <= end)
        .map((report) => ({ event: report.event, last: report.event, text: formatStageEvent(report) })),
    ].sort((a, b) => a.event - b.event);
    const last = Math.max(pieces.at(-1)?.last ?? 0, reached ? lastEvent(reached) : 0);
    return last <= after ? undefined : { text: pieces.map(({ text }) => text).join(""), event: last };
  }

  function stagesOf(machine: Machine): Stage[] {
    const installId = installOf(machine);
    return installId === undefined ? [] : foldStages(repository.reportsOf(store.read, installId));
  }

  return {
    async append(claim, lines) {
      if (lines.length > maxBatchLines) {
        throw new AppError("too-large", `${lines.length} lines at once; at most ${maxBatchLines} are taken`);
      }
      const now = clock.now();
      checkOpen(claim, now);
      if (!rate.take(claim.installId, lines.length, now)) {
        throw new AppError("too-many", "this install sends more lines than are taken; send them later");
      }
      heard.set(claim.mac, now);
      let batch: LogBatch | undefined;
      try {
        batch = await store.transaction((tx) => {
          try {
            return insert(tx, claim, lines, now);
          } catch (error) {
            // Before the next of the same commit: it would take these lines for there.
            tails.drop(claim.mac);
            throw error;
          }
        });
      } catch (error) {
        tails.drop(claim.mac);
        throw error;
      }
      const accepted = batch?.lines.length ?? 0;
      if (batch) {
        feed.lines(claim.mac, batch);
        bus.publish("install.log-appended", {
          mac: claim.mac,
          installId: claim.installId,
          lines: accepted,
          at: now,
        });
      }
      return { accepted, duplicates: lines.length - accepted };
    },
    view(machine) {
      const { mac } = machine;
      const installId = installOf(machine);
      if (installId === undefined) {
        return { installId, stages: [], lines: [], total: 0, gaps: [], lost: 0 };
      }
      const batches = repository
        .batchesAfter(store.read, mac, 0, ringLines + trimEvery)
        .filter((batch) => batch.installId === installId);
      const { gaps, lost } = repository.readGaps(store.read, installId);
      const lines = batches.flatMap(({ at, lines: stored }) =>
        stored.map(([seq, text, source]) => ({ seq, at, text: presentable(text), source })),
      );
      return {
        installId,
        stages: stagesOf(machine),
        lines: lines.slice(-ringLines).sort((a, b) => a.seq - b.seq),
        total: batches.at(-1)?.installTotal ?? 0,
        gaps: gaps.map(([first, last]) => ({ from: first, to: last })),
        lost,
      };
    },
    stagesOf,
    follow(machine, seen, withLines) {
      const { mac } = machine;
      const installId = installOf(machine);
      const last = installId === undefined ? 0 : repository.loadTail(store.read, mac, installId).event;
      return feed.follow(
        mac,
        // A number that is not there yet is of a time before the machine was forgotten.
        { after: seen > last ? 0 : seen, lines: withLines },
        { readOn: (event) => readOn(mac, event, withLines), machine: () => registry.byMac(mac) },
      );
    },
    heardAt: (mac) => heard.get(mac),
  };
}

const installOf = ({ state }: Machine) => ("installId" in state ? state.installId : undefined);

const lastEvent = ({ event, lines }: LogBatch) => event + lines.length - 1;

/** The part of a batch from `event` on: a follower may have been cut off in the middle of it. */
function from(batch: LogBatch, event: number): LogBatch {
  const skip = event - batch.event;
  return skip <= 0 ? batch : { ...batch, event, lines: batch.lines.slice(skip) };
}
