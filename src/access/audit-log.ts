import type { Clock } from "../platform/clock.ts";
import type { Queries, Store } from "../store/database.ts";
import { type AuditEntry, type AuditRecord, type ChainVerdict, genesis, verifyChain } from "./audit-chain.ts";
import {
  type AuditFilter,
  appendAudit,
  hasAllowed,
  lastSeq,
  listAudit,
  readAudit,
} from "./audit-repository.ts";
import type { Actor } from "./principal.ts";

export interface Deed {
  action: string;
  /** `server/node1`, `token/3fa9`; `*` for all of a kind. */
  resource: string;
  result?: AuditEntry["result"];
  detail?: string;
}

export interface AuditLog {
  /** Tells of `deed` within the transaction that does it. */
  append(tx: Queries, actor: Actor, deed: Deed): Promise<void>;
  /** Tells of a deed that changed nothing here: a read, a refusal. */
  record(actor: Actor, deed: Deed): Promise<void>;
  /** The number of the last record; 0 where there is none. */
  last(tx: Queries): Promise<number>;
  /** Whether a record after `seq` tells that this request did something. */
  tells(tx: Queries, requestId: string, seq: number): Promise<boolean>;
  list(filter: AuditFilter): Promise<AuditRecord[]>;
  /** Every record, oldest first, page by page. */
  all(): AsyncGenerator<AuditRecord>;
  verify(): Promise<ChainVerdict>;
  /** The records after `seq` in their order. */
  after(seq: number, limit: number): Promise<AuditRecord[]>;
  /** Calls `run` soon after a record was added, until the returned function is called. */
  onAppended(run: () => void): () => void;
}

const page = 1000;
/** Milliseconds from an append to the word of it: its transaction has to be through, and others may follow. */
const soon = 50;

export function createAuditLog(store: Store, clock: Clock): AuditLog {
  const entryOf = (actor: Actor, deed: Deed): AuditEntry => {
    const at = clock.now();
    return {
      at,
      actor: actor.principal.name,
      ...(actor.principal.session !== undefined && { session: actor.principal.session }),
      from: actor.from,
      action: deed.action,
      resource: deed.resource.slice(0, 200),
      result: deed.result ?? "allowed",
      ...(deed.detail !== undefined && { detail: deed.detail.slice(0, 500) }),
      duration: Math.max(0, Math.round(at - actor.startedAt)),
      requestId: actor.requestId,
    };
  };
  const readers = new Set<() => void>();
  let announced = false;
  function announce(): void {
    if (announced || readers.size === 0) return;
    announced = true;
    clock.after(soon, () => {
      announced = false;
      for (const run of readers) run();
    });
  }
  const append = async (tx: Queries, actor: Actor, deed: Deed) => {
    await appendAudit(tx, entryOf(actor, deed));
    announce();
  };
  async function* all(): AsyncGenerator<AuditRecord> {
    let after = 0;
    for (;;) {
      const records = await readAudit(store.read, after, page);
      yield* records;
      const last = records.at(-1);
      if (last === undefined || records.length < page) return;
      after = last.seq;
    }
  }
  return {
    append,
    record: (actor, deed) => store.transaction((tx) => append(tx, actor, deed)),
    last: lastSeq,
    tells: (tx, requestId, seq) => hasAllowed(tx, requestId, seq),
    list: (filter) => listAudit(store.read, filter),
    after: (seq, limit) => readAudit(store.read, seq, limit),
    onAppended(run) {
      readers.add(run);
      return () => void readers.delete(run);
    },
    all,
    async verify() {
      let from = { seq: 0, hash: genesis };
      let records = 0;
      for (;;) {
        const next = await readAudit(store.read, from.seq, page);
        const verdict = verifyChain(next, from);
        if (!verdict.whole) return verdict;
        records += verdict.records;
        const last = next.at(-1);
        if (last === undefined || next.length < page) return { whole: true, records, head: verdict.head };
        from = { seq: last.seq, hash: last.hash };
      }
    },
  };
}
