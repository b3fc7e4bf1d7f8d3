import { describe, expect, test } from "bun:test";
import { decideBoot } from "./boot-order.ts";
import { decide, type MachineEvent, type MachineState } from "./model.ts";
import { stallAfterMs } from "./stage.ts";

const minute = 60_000;
const at = 1_000_000;
const discovered: MachineState = { kind: "discovered", since: 1 };
const queued: MachineState = { kind: "queued", since: 2, installId: "i1", before: discovered };
const installing: MachineState = {
  kind: "installing",
  since: 3,
  installId: "i1",
  stage: "packages",
  heardAt: at,
};
const installed: MachineState = { kind: "installed", since: 4, installId: "i1" };
const failed: MachineState = {
  kind: "failed",
  since: 5,
  installId: "i1",
  stage: "partition",
  reason: "no disk",
};
const stalled: MachineState = { kind: "stalled", since: 6, installId: "i1", stage: "packages", heardAt: 1 };
const all = { unknown: undefined, discovered, queued, installing, installed, failed, stalled };

/** What an event makes of every state, in one word each. */
function table(event: MachineEvent): Record<string, string> {
  return Object.fromEntries(
    Object.entries(all).map(([name, state]) => {
      const decision = decide(state, event, at);
      if (decision.kind !== "next") return [name, decision.kind];
      const effects = decision.effects.map(
        (effect) =>
          `${effect.kind}:${effect.installId}${effect.kind === "install-ended" ? `:${effect.outcome}` : ""}`,
      );
      return [name, [decision.state?.kind ?? "gone", ...effects].join(" ")];
    }),
  );
}

const report = (stage: string, outcome: "running" | "done" | "failed", installId = "i1"): MachineEvent => ({
  kind: "report",
  installId,
  stage,
  outcome,
});

describe("decide", () => {
  test("a discovery makes a record, and changes no state that is there", () => {
    expect(table({ kind: "discovered" })).toEqual({
      unknown: "discovered",
      discovered: "ignore",
      queued: "ignore",
      installing: "ignore",
      installed: "ignore",
      failed: "ignore",
      stalled: "ignore",
    });
  });

  test("an install is queued where nothing would be lost", () => {
    expect(table({ kind: "queue", installId: "i2", replace: false })).toEqual({
      unknown: "queued install-queued:i2",
      discovered: "queued install-queued:i2",
      queued: "refuse",
      installing: "refuse",
      installed: "refuse",
      failed: "queued install-queued:i2",
      stalled: "queued install-queued:i2",
    });
  });

  test("with replace, it takes the place of what waits, runs or is installed", () => {
    expect(table({ kind: "queue", installId: "i2", replace: true })).toMatchObject({
      queued: "queued install-ended:i1:replaced install-queued:i2",
      installing: "queued install-ended:i1:replaced install-queued:i2",
      installed: "queued install-queued:i2",
    });
  });

  test("only a queued install is cancelled", () => {
    expect(table({ kind: "cancel" })).toEqual({
      unknown: "refuse",
      discovered: "refuse",
      queued: "discovered install-ended:i1:cancelled",
      installing: "refuse",
      installed: "refuse",
      failed: "refuse",
      stalled: "refuse",
    });
    expect(decide(installing, { kind: "cancel" }, at)).toMatchObject({
      hint: expect.stringContaining("switch the machine off"),
    });
  });

  test("cancelled, a machine is what it was before it was queued, however often that was", () => {
    const queue = (state: MachineState | undefined, installId: string) => {
      const decision = decide(state, { kind: "queue", installId, replace: true }, at);
      return decision.kind === "next" ? decision.state : undefined;
    };
    const back = (state: MachineState | undefined) =>
      decide(queue(queue(state, "i2"), "i3"), { kind: "cancel" }, at + 1);
    for (const state of [discovered, installed, failed, stalled]) {
      expect(back(state)).toEqual({
        kind: "next",
        state,
        effects: [{ kind: "install-ended", installId: "i3", outcome: "cancelled" }],
      });
    }
    expect(back(undefined)).toMatchObject({ state: { kind: "discovered", since: at } });
    // Its disk was being written to: nobody may take it for what it was.
    expect(back(installing)).toMatchObject({ state: { kind: "failed", installId: "i1", stage: "packages" } });
  });

  test("only a queued install is claimed, and by its own token", () => {
    expect(table({ kind: "claim", installId: "i1" })).toEqual({
      unknown: "refuse",
      discovered: "refuse",
      queued: "installing install-started:i1",
      installing: "ignore",
      installed: "refuse",
      failed: "refuse",
      stalled: "refuse",
    });
    expect(decide(queued, { kind: "claim", installId: "other" }, at).kind).toBe("refuse");
    expect(decide(installing, { kind: "claim", installId: "other" }, at).kind).toBe("refuse");
  });

  test("a stage moves a running install on, and wakes a stalled one", () => {
    expect(table(report("bootloader", "running"))).toEqual({
      unknown: "refuse",
      discovered: "refuse",
      queued: "refuse",
      installing: "installing stage-reached:i1",
      installed: "ignore",
      failed: "ignore",
      stalled: "installing install-resumed:i1 stage-reached:i1",
    });
    expect(decide(installing, report("bootloader", "running"), at)).toMatchObject({
      state: { kind: "installing", since: 3, stage: "bootloader", heardAt: at },
    });
  });

  test("the final stage done is the end, and running is not", () => {
    expect(table(report("installed", "done"))).toMatchObject({
      queued: "refuse",
      installing: "installed stage-reached:i1 install-ended:i1:installed",
      stalled: "installed install-resumed:i1 stage-reached:i1 install-ended:i1:installed",
      failed: "ignore",
    });
    expect(decide(installing, report("installed", "running"), at)).toMatchObject({
      state: { kind: "installing" },
    });
    expect(decide(installing, report("packages", "done"), at)).toMatchObject({
      state: { kind: "installing" },
    });
  });

  test("the first word of the installed system is the end, too, where the installer's last was lost", () => {
    expect(table(report("first-boot", "done"))).toMatchObject({
      installing: "installed stage-reached:i1 install-ended:i1:installed",
      stalled: "installed install-resumed:i1 stage-reached:i1 install-ended:i1:installed",
      installed: "ignore",
      failed: "ignore",
    });
  });

  test("a failure ends it in its stage, with the message's first line as the reason", () => {
    expect(table(report("packages", "failed"))).toMatchObject({
      installing: "failed stage-reached:i1 install-ended:i1:failed",
      stalled: "failed install-resumed:i1 stage-reached:i1 install-ended:i1:failed",
      installed: "ignore",
    });
    const event: MachineEvent = {
      kind: "report",
      installId: "i1",
      stage: "packages",
      outcome: "failed",
      message: "no room\ntail of the log",
    };
    expect(decide(installing, event, at)).toMatchObject({ state: { stage: "packages", reason: "no room" } });
    expect(decide(installing, report("packages", "failed"), at)).toMatchObject({
      state: { reason: "packages failed" },
    });
  });

  test("reports of another install are refused in every state", () => {
    for (const outcome of Object.values(table(report("packages", "running", "other")))) {
      expect(outcome).toBe("refuse");
    }
  });

  test("an install is stalled once it was silent for as long as its stage allows, and no sooner", () => {
    const silent = (state: MachineState, ms: number) => decide(state, { kind: "check" }, at + ms);
    expect(silent(installing, stallAfterMs("packages") - 1).kind).toBe("ignore");
    expect(silent(installing, stallAfterMs("packages"))).toMatchObject({
      state: { kind: "stalled", stage: "packages", heardAt: at },
      effects: [
        { kind: "install-ended", outcome: "stalled", reason: "nothing heard since stage 'packages'" },
      ],
    });
    const { stage: _, ...unstaged } = installing;
    expect(silent(unstaged, 19 * minute).kind).toBe("ignore");
    expect(silent(unstaged, 20 * minute).kind).toBe("next");
    for (const state of [undefined, discovered, queued, installed, failed, stalled]) {
      expect(decide(state, { kind: "check" }, at + 1e12).kind).toBe("ignore");
    }
  });

  test("a machine is forgotten unless it is unknown, or installs and nobody insists", () => {
    expect(table({ kind: "forget", force: false })).toEqual({
      unknown: "refuse",
      discovered: "gone",
      queued: "gone install-ended:i1:forgotten",
      installing: "refuse",
      installed: "gone",
      failed: "gone",
      stalled: "gone",
    });
    expect(table({ kind: "forget", force: true })).toMatchObject({
      unknown: "refuse",
      installing: "gone install-ended:i1:forgotten",
    });
  });
});

describe("decideBoot", () => {
  const boots = (options: Parameters<typeof decideBoot>[1]) =>
    Object.fromEntries(Object.entries(all).map(([name, state]) => [name, decideBoot(state, options).kind]));

  test("an install is handed out while it is queued, and in no other state", () => {
    expect(boots({ emptyDisks: true })).toEqual({
      unknown: "discover",
      discovered: "discover",
      queued: "install",
      installing: "local",
      installed: "local",
      failed: "menu",
      stalled: "menu",
    });
  });

  test("a discovered machine with something on its disks boots them, unless it was said otherwise", () => {
    expect(boots({ emptyDisks: false }).discovered).toBe("menu");
    expect(boots({ emptyDisks: false, idle: "discover" }).discovered).toBe("discover");
    expect(boots({ emptyDisks: true, idle: "local" }).discovered).toBe("menu");
  });

  test("a failure is told on the screen", () => {
    expect(decideBoot(failed, { emptyDisks: true })).toEqual({
      kind: "menu",
      reason: "the install failed in partition: no disk",
    });
  });
});
