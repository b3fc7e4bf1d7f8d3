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

/** What a list or a follower wants to see; a `*` stands for anything. */
export interface AuditPattern {
  actor?: string | undefined;
  action?: string | undefined;
  resource?: string | undefined;
  result?: AuditEntry["result"] | undefined;
}

export function matchesAudit(entry: AuditEntry, wanted: AuditPattern): boolean {
  const matches = (value: string, pattern: string | undefined) =>
    pattern === undefined || fits(value, pattern.split("*"));
  return (
    matches(entry.actor, wanted.actor) &&
    matches(entry.action, wanted.action) &&
    matches(entry.resource, wanted.resource) &&
    (wanted.result === undefined || wanted.result === entry.result)
  );
}

/** Whether `value` is the parts of a pattern with anything between them. */
function fits(value: string, [first = "", ...parts]: readonly string[]): boolean {
  const last = parts.pop();
  if (last === undefined) return value === first;
  if (!value.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts) {
    const found = value.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return value.length - last.length >= at && value.endsWith(last);
}
