import { expect, test } from "bun:test";
import { addCounts, readCounts, summary } from "./summary.ts";

const closing = ` 7 pass
 1 skip
 2 fail
 6 expect() calls
Ran 10 tests across 2 files. [420.00ms]
`;

test("the closing lines of a run are counted", () => {
  expect(readCounts(closing, false)).toEqual({ passed: 7, failed: 2, skipped: 1 });
});

test("errors outside of tests count as failures", () => {
  expect(readCounts(" 3 pass\n 0 fail\n 2 errors\n", false).failed).toBe(2);
});

test("a run that died without a summary has failed", () => {
  expect(readCounts("panic: segmentation fault", false)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test("a test whose output looks like a summary does not hide the real one", () => {
  expect(readCounts(`printed by a test:\n 99 pass\n${closing}`, false).passed).toBe(7);
});

test("the last line names skipped tests only when there are some", () => {
  expect(summary({ passed: 3, failed: 0, skipped: 0 })).toBe("3 passed, 0 failed");
  expect(summary(addCounts({ passed: 3, failed: 0, skipped: 0 }, { passed: 1, failed: 1, skipped: 2 }))).toBe(
    "4 passed, 1 failed, 2 skipped",
  );
});
