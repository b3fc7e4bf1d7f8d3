import { expect, test } from "bun:test";
import {
  type AuditEntry,
  type AuditRecord,
  chainHash,
  genesis,
  matchesAudit,
  verifyChain,
} from "./audit-chain.ts";

const entry = (n: number): AuditEntry => ({
  at: n,
  actor: "user/alice",
  from: "10.0.0.9",
  action: "servers:exec",
  resource: `server/n${n}`,
  result: "allowed",
  duration: 3,
  requestId: `r${n}`,
});

function chain(length: number): AuditRecord[] {
  const records: AuditRecord[] = [];
  for (let seq = 1; seq <= length; seq++) {
    records.push({ ...entry(seq), seq, hash: chainHash(records.at(-1)?.hash ?? genesis, seq, entry(seq)) });
  }
  return records;
}

test("an untouched chain is whole", () => {
  expect(verifyChain(chain(5))).toMatchObject({ whole: true, records: 5 });
});

test("a changed field, a changed hash, a removed and a swapped record are each found at their place", () => {
  const changed = chain(5).map((record) =>
    record.seq === 3 ? { ...record, result: "refused" as const } : record,
  );
  expect(verifyChain(changed)).toMatchObject({ whole: false, seq: 3 });
  const rehashed = chain(5).map((record) => (record.seq === 3 ? { ...record, hash: genesis } : record));
  expect(verifyChain(rehashed)).toMatchObject({ whole: false, seq: 3 });
  expect(verifyChain(chain(5).filter((record) => record.seq !== 2))).toMatchObject({ whole: false, seq: 2 });
  const [a, b, ...rest] = chain(4);
  expect(verifyChain([b, a, ...rest].flatMap((record) => record ?? []))).toMatchObject({
    whole: false,
    seq: 1,
  });
});

test("a record rewritten with a fitting hash breaks the one after it", () => {
  const records = chain(4);
  const forged = { ...entry(2), actor: "user/mallory" };
  const rewritten = records.map((record) =>
    record.seq === 2 ? { ...forged, seq: 2, hash: chainHash(records[0]?.hash ?? "", 2, forged) } : record,
  );
  expect(verifyChain(rewritten)).toMatchObject({ whole: false, seq: 3 });
});

test("a star stands for anything, and a pattern that is long takes no longer", () => {
  const record = entry(1);
  const matches = (action: string) => matchesAudit(record, { action });
  expect(["servers:exec", "servers:*", "*:exec", "s*:*c", "*", "**"].map(matches)).toEqual(
    Array(6).fill(true),
  );
  expect(["servers:", "exec", "servers:*x", "*exec*s", ""].map(matches)).toEqual(Array(5).fill(false));
  expect(matchesAudit({ ...record, resource: "a".repeat(200) }, { resource: `${"*a".repeat(90)}*b` })).toBe(
    false,
  );
  expect(matchesAudit(record, { result: "refused" })).toBe(false);
});
