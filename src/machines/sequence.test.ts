import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { maxGaps, type Sequence, takeNumber } from "./sequence.ts";

const emptySequence = (): Sequence => ({ highest: -1, gaps: [], lost: 0 });

const after = (...numbers: number[]) => {
  const sequence = emptySequence();
  return { taken: numbers.map((seq) => takeNumber(sequence, seq)), sequence };
};

describe("takeNumber", () => {
  test("numbers in order leave no gap, whether they start at 0 or 1", () => {
    expect(after(1, 2, 3).sequence).toEqual({ highest: 3, gaps: [], lost: 0 });
    expect(after(0, 1, 2).sequence).toEqual({ highest: 2, gaps: [], lost: 0 });
  });

  test("what is skipped is a gap until it arrives", () => {
    expect(after(3).sequence.gaps).toEqual([[1, 2]]);
    expect(after(1, 5, 9).sequence.gaps).toEqual([
      [2, 4],
      [6, 8],
    ]);
    expect(after(1, 5, 3).sequence.gaps).toEqual([
      [2, 2],
      [4, 4],
    ]);
    expect(after(1, 4, 2, 3).sequence.gaps).toEqual([]);
  });

  test("a number seen before is not taken", () => {
    expect(after(1, 2, 2, 1, 5, 3, 3).taken).toEqual([true, true, false, false, true, true, false]);
  });

  test("gaps are bounded, and those given up are counted", () => {
    const odd = Array.from({ length: maxGaps + 11 }, (_, index) => index * 2 + 1);
    const { sequence } = after(...odd);
    expect(sequence.gaps).toHaveLength(maxGaps);
    expect(sequence.lost).toBe(10);
    expect(takeNumber(sequence, 2)).toBe(false);
  });

  test("agrees with a set for any order of arrival", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60), { maxLength: 100 }), (numbers) => {
        const sequence = emptySequence();
        const seen = new Set<number>();
        let highest = -1;
        for (const seq of numbers) {
          // 0 is optional: once passed it counts as there.
          const expected = !seen.has(seq) && !(seq === 0 && highest > 0);
          expect(takeNumber(sequence, seq)).toBe(expected);
          seen.add(seq);
          highest = Math.max(highest, seq);
        }
        const missing = Array.from({ length: highest }, (_, index) => index + 1).filter(
          (seq) => !seen.has(seq),
        );
        expect(
          sequence.gaps.flatMap(([from, to]) =>
            Array.from({ length: to - from + 1 }, (_, step) => from + step),
          ),
        ).toEqual(missing);
      }),
    );
  });
});
