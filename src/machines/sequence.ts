/** Which sequence numbers of an install's log lines have arrived; its stages are numbered apart. Numbers start at 1; a 0 is taken too. */
export interface Sequence {
  /** −1 before the first. */
  highest: number;
  /** Skipped so far, lowest first, both ends included. */
  gaps: [from: number, to: number][];
  /** Numbers in gaps that were given up because too many gaps were open. */
  lost: number;
}

/** Open gaps a sequence remembers; a hostile sender could otherwise make one of each line. */
export const maxGaps = 200;

/** Takes one number; false when it was there before. Changes `sequence`. */
export function takeNumber(sequence: Sequence, seq: number): boolean {
  if (seq > sequence.highest) {
    const expected = Math.max(sequence.highest + 1, 1);
    if (seq > expected) openGap(sequence, expected, seq - 1);
    sequence.highest = seq;
    return true;
  }
  const at = sequence.gaps.findIndex(([from, to]) => from <= seq && seq <= to);
  const gap = sequence.gaps[at];
  if (gap === undefined) return false;
  const [from, to] = gap;
  const rest: [number, number][] = [];
  if (from < seq) rest.push([from, seq - 1]);
  if (seq < to) rest.push([seq + 1, to]);
  sequence.gaps.splice(at, 1, ...rest);
  if (sequence.gaps.length > maxGaps) giveUpOldest(sequence);
  return true;
}

function openGap(sequence: Sequence, from: number, to: number): void {
  sequence.gaps.push([from, to]);
  if (sequence.gaps.length > maxGaps) giveUpOldest(sequence);
}

function giveUpOldest(sequence: Sequence): void {
  const oldest = sequence.gaps.shift();
  if (oldest) sequence.lost += oldest[1] - oldest[0] + 1;
}
