import { describe, expect, test } from "bun:test";
import { describeExpectation, durationsOf, expectations, type PastInstall } from "./expectation.ts";
import { foldStages, type StageReport, stagesOf } from "./stage.ts";
import { embeddedTemplates } from "./templates.client.ts";

const reports = (...list: [seq: number, stage: string, outcome: StageReport["outcome"], at: number][]) =>
  list.map(([seq, stage, outcome, at]) => ({ seq, stage, outcome, at }));
const shown = (list: StageReport[]) =>
  foldStages(list).map(({ name, state, startedAt, endedAt }) => [name, state, startedAt, endedAt]);

test("every way to install names at least twelve stages, the last being its end", () => {
  for (const stages of Object.values(stagesOf)) {
    expect(new Set(stages).size).toBeGreaterThanOrEqual(12);
    expect(stages.at(-1)).toBe("installed");
  }
});

describe("the stages that templates report", () => {
  const reported = (...paths: string[]) =>
    paths.flatMap((path) =>
      [...(embeddedTemplates[path] ?? "").matchAll(/^\s*bastion_stage ([\w-]+)/gm)].map(
        ([, name]) => name ?? "",
      ),
    );

  // What comes before the first script, and what bastion_installed says, frame them.
  test.each([
    ["kickstart", ["fedora/install.ks"]],
    ["debian", ["debian/early.sh", "debian/partition.sh", "debian/late.sh"]],
    ["image", ["image/install.sh"]],
  ] as const)("%s: the model has them all, in their order", (family, paths) => {
    expect(["boot", ...reported(...paths), "installed"]).toEqual([...stagesOf[family]]);
  });

  test("every template that reports stages is looked at above; what they share reports the first boot alone", () => {
    const reporting = Object.keys(embeddedTemplates).filter((path) => reported(path).length > 0);
    expect(reporting).toHaveLength(5);
    const bodies = Object.values(embeddedTemplates).join("\n");
    const spelled = [...bodies.matchAll(/"stage":"([a-z-]+)"/g)].map(([, name]) => name ?? "");
    // Told by the installed system: no install waits for it.
    expect(spelled).toEqual(["first-boot"]);
  });
});

describe("foldStages", () => {
  test("a stage that begins ends the one before", () => {
    expect(shown(reports([1, "network", "running", 10], [2, "partition", "running", 20]))).toEqual([
      ["network", "done", 10, 20],
      ["partition", "running", 20, undefined],
    ]);
  });

  test("reports are ordered by their numbers, however they arrive", () => {
    expect(shown(reports([2, "partition", "running", 20], [1, "network", "running", 30]))).toEqual([
      ["network", "done", 30, 30],
      ["partition", "running", 20, undefined],
    ]);
  });

  test("an end without a beginning is both, and an end said twice is one", () => {
    expect(shown(reports([1, "verify", "done", 10], [2, "verify", "done", 20]))).toEqual([
      ["verify", "done", 10, 10],
    ]);
  });

  test("a note to a running stage is no new stage", () => {
    const [stage, ...more] = foldStages([
      { seq: 1, stage: "packages", outcome: "running", at: 10 },
      { seq: 2, stage: "packages", outcome: "running", at: 20, message: "120 of 400" },
    ]);
    expect(stage).toEqual({ name: "packages", state: "running", startedAt: 10, message: "120 of 400" });
    expect(more).toEqual([]);
  });

  test("a failure stays where it happened", () => {
    expect(shown(reports([1, "packages", "running", 10], [2, "packages", "failed", 15]))).toEqual([
      ["packages", "failed", 10, 15],
    ]);
  });
});

describe("expectations", () => {
  test("the median and the median distance from it, of stages seen at least twice", () => {
    const past: PastInstall[] = [
      { packages: 300_000, total: 400_000 },
      { packages: 240_000, total: 380_000, odd: 1 },
      { packages: 900_000, total: 990_000 },
    ];
    const found = expectations(past);
    expect(found.get("packages")).toEqual({ medianMs: 300_000, spreadMs: 60_000, samples: 3 });
    expect(found.get("odd")).toBeUndefined();
    expect(describeExpectation({ medianMs: 300_000, spreadMs: 60_000, samples: 3 })).toBe(
      "usually 5 ± 1 min",
    );
  });

  test("short stages are told in seconds, and no spread is not told", () => {
    expect(describeExpectation({ medianMs: 42_400, spreadMs: 100, samples: 5 })).toBe("usually 42 s");
  });

  test("a whole install is its first stage's beginning to its last one's end", () => {
    const stages = foldStages(
      reports([1, "a", "running", 1000], [2, "b", "running", 3000], [3, "b", "done", 8000]),
    );
    expect(durationsOf(stages)).toEqual({ a: 2000, b: 5000, total: 7000 });
  });
});
