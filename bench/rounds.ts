import type { BenchContext, Measurement } from "./definition.ts";
import { median, short } from "./statistics.ts";

/** What one round of one server came to. */
export interface Round {
  value: number;
  cpuSeconds?: number;
  peakBytes?: number;
  failures?: number;
  note?: string;
  /** Further values of the same round, each a case of its own: `{"p99": …}`. */
  more?: Record<string, { value: number; unit: string; better: "lower" | "higher" }>;
}

export interface Subject {
  name: string;
  /** Round 0 warms up and is not counted. */
  round(number: number): Promise<Round>;
}

/** Every server in turn, round by round, so that a busy minute falls on all of them alike. */
export async function compare(
  context: BenchContext,
  name: string,
  subjects: readonly Subject[],
  rounds = context.rounds,
): Promise<Measurement[]> {
  if (!context.wanted(name)) return [];
  const rows = new Map<string, Measurement>();
  const rowOf = (subject: string, further?: string): Measurement => {
    const key = `${further ?? ""} ${subject}`;
    const row = rows.get(key) ?? {
      case: further === undefined ? name : `${name}, ${further}`,
      ...{ subject, values: [], cpuSeconds: [], peakBytes: 0, failures: 0 },
    };
    rows.set(key, row);
    return row;
  };
  for (let number = 0; number <= rounds; number++) {
    for (const subject of subjects) {
      const row = rowOf(subject.name);
      // a round that failed takes its whole time limit, and those after it would too
      if (row.failures > 0) continue;
      const round = await attempt(subject, number);
      row.failures += round.failures ?? 0;
      row.peakBytes = Math.max(row.peakBytes, round.peakBytes ?? 0);
      if (round.note) row.note = round.note;
      if (number === 0 || (round.failures ?? 0) > 0) continue;
      row.values.push(round.value);
      if (round.cpuSeconds !== undefined) row.cpuSeconds.push(round.cpuSeconds);
      for (const [key, { value, unit, better }] of Object.entries(round.more ?? {})) {
        const further = rowOf(subject.name, key);
        Object.assign(further, { unit, better });
        further.values.push(value);
      }
    }
  }
  const main = [...rows.values()].filter((row) => row.case === name);
  context.log(`${name}: ${main.map((row) => `${row.subject} ${short(median(row.values))}`).join(", ")}`);
  return [...rows.values()].sort((a, b) => (a.case < b.case ? -1 : a.case > b.case ? 1 : 0));
}

async function attempt(subject: Subject, number: number): Promise<Round> {
  try {
    return await subject.round(number);
  } catch (error) {
    return {
      value: Number.NaN,
      failures: 1,
      note: (error instanceof Error ? error.message : String(error)).split("\n")[0]?.slice(0, 160) ?? "",
    };
  }
}
