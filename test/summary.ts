export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export const noCounts: Counts = { passed: 0, failed: 0, skipped: 0 };

/** Reads the closing lines of `bun test` (` 7 pass`, ` 1 skip`, ` 0 fail`, ` 1 error`), wherever they stand. */
export function readCounts(output: string, succeeded: boolean): Counts {
  const count = (word: string) => {
    const found = [...output.matchAll(new RegExp(`^ *(\\d+) ${word}s?$`, "gm"))].at(-1);
    return found ? Number(found[1]) : 0;
  };
  const counts = { passed: count("pass"), failed: count("fail") + count("error"), skipped: count("skip") };
  // A run that died before or after its summary has failed, whatever it counted.
  if (!succeeded && counts.failed === 0) counts.failed = 1;
  return counts;
}

export function addCounts(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

export function summary({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
