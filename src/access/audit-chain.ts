import { createHash } from "node:crypto";

/** One action, allowed or refused. Never holds a secret: what was given is named, not quoted. */
export interface AuditEntry {
  /** Milliseconds since the epoch. */
  at: number;
  /** `user/alice`, `agent/node1`, `local/root`, `anonymous`. */
  actor: string;
  session?: string;
  /** Address the request came from; empty on the Unix socket. */
  from: string;
  /** The permission asked for: `servers:exec`. */
  action: string;
  /** What was acted on: `server/node1`. */
  resource: string;
  result: "allowed" | "refused" | "failed";
  /** Why, in a few words. */
  detail?: string;
  /** Milliseconds. */
  duration: number;
  requestId: string;
}

export interface AuditRecord extends AuditEntry {
  /** 1, 2, 3 … without a gap. */
  seq: number;
  /** SHA-256 over the previous record's hash and this record, in hex. */
  hash: string;
}

/** The hash before the first record. */
export const genesis = "0".repeat(64);

const order = [
  "at",
  "actor",
  "session",
  "from",
  "action",
  "resource",
  "result",
  "detail",
  "duration",
  "requestId",
] as const;

export function chainHash(previous: string, seq: number, entry: AuditEntry): string {
  const fields = order.map((key) => entry[key] ?? null);
  return createHash("sha256")
    .update(JSON.stringify([previous, seq, ...fields]))
    .digest("hex");
}

export type ChainVerdict =
  | { whole: true; records: number; head: string }
  | { whole: false; seq: number; because: string };

/** Checks records in order of `seq`, starting from the first one kept (whose predecessor's hash is `from`). */
export function verifyChain(
  records: Iterable<AuditRecord>,
  from: { seq: number; hash: string } = { seq: 0, hash: genesis },
): ChainVerdict {
  let { seq, hash } = from;
  let count = 0;
  for (const record of records) {
    if (record.seq !== seq + 1)
      return { whole: false, seq: seq + 1, because: `record ${seq + 1} is missing` };
    const wanted = chainHash(hash, record.seq, record);
    if (wanted !== record.hash) {
      return {
        whole: false,
        seq: record.seq,
        because: `record ${record.seq} was changed, or one before it was`,
      };
    }
    seq = record.seq;
    hash = record.hash;
    count++;
  }
  return { whole: true, records: count, head: hash };
}
