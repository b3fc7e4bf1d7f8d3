import type { Stage } from "./stage.ts";

/** What past installs of the same system took, in milliseconds. */
export interface Expectation {
  medianMs: number;
  /** Half of them were this close to the median. */
  spreadMs: number;
  samples: number;
}

/** Durations by stage, and `total`, of each past install; newest first. */
export type PastInstall = Record<string, number>;

export const total = "total";

/** By stage name and `total`; a stage seen fewer than twice says nothing about the next one. */
export function expectations(past: readonly PastInstall[]): Map<string, Expectation> {
  const durations = new Map<string, number[]>();
  for (const install of past) {
    for (const [stage, ms] of Object.entries(install)) {
      const known = durations.get(stage);
      if (known) known.push(ms);
      else durations.set(stage, [ms]);
    }
  }
  const result = new Map<string, Expectation>();
  for (const [stage, ms] of durations) {
    if (ms.length < 2) continue;
    const medianMs = median(ms);
    const spreadMs = median(ms.map((value) => Math.abs(value - medianMs)));
    result.set(stage, { medianMs, spreadMs, samples: ms.length });
  }
  return result;
}

/** How long each stage took and the whole; stages that have not ended are left out. */
export function durationsOf(stages: readonly Stage[]): PastInstall {
  const result: PastInstall = {};
  for (const { name, startedAt, endedAt } of stages) {
    if (endedAt !== undefined) result[name] = (result[name] ?? 0) + endedAt - startedAt;
  }
  const first = stages[0];
  const last = stages.at(-1);
  if (first && last?.endedAt !== undefined) result[total] = last.endedAt - first.startedAt;
  return result;
}

/** `usually 5 ± 1 min`, `usually 40 ± 5 s`; seconds below two minutes. */
export function describeExpectation({ medianMs, spreadMs }: Expectation): string {
  const [unit, name] = medianMs < 120_000 ? [1000, "s"] : [60_000, "min"];
  const rounded = Math.round(medianMs / unit);
  const spread = Math.round(spreadMs / unit);
  return spread === 0 ? `usually ${rounded} ${name}` : `usually ${rounded} ± ${spread} ${name}`;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
