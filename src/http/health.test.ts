import { expect, test } from "bun:test";
import { createManualClock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import { createHealth } from "./health.ts";

const ok = { result: "ok", detail: "fine" } as const;

test("the worst finding is the verdict", async () => {
  const clock = createManualClock();
  const health = createHealth(clock);
  health.add("a", () => ok);
  expect((await health.examine()).status).toBe("ok");
  health.add("b", () => ({ result: "warn", detail: "soon" }));
  clock.advance(5000);
  expect((await health.examine()).status).toBe("degraded");
  health.add("c", () => {
    throw new AppError("unavailable", "the disk is full", { hint: "free some" });
  });
  clock.advance(5000);
  const { status, findings } = await health.examine();
  expect(status).toBe("failing");
  expect(findings[2]).toEqual({ check: "c", result: "fail", detail: "the disk is full", next: "free some" });
});

test("however often it is asked for, a check runs once in five seconds", async () => {
  const clock = createManualClock();
  const health = createHealth(clock);
  let runs = 0;
  health.add("counted", () => {
    runs++;
    return ok;
  });
  for (let ask = 0; ask < 100; ask++) await health.examine();
  expect(runs).toBe(1);
  clock.advance(5000);
  await health.examine();
  expect(runs).toBe(2);
});

test("a check that hangs fails in time and is not started beside itself", async () => {
  const clock = createManualClock();
  const health = createHealth(clock);
  let runs = 0;
  health.add("hung", () => {
    runs++;
    return new Promise(() => {});
  });
  for (let round = 0; round < 3; round++) {
    const examined = health.examine();
    clock.advance(5000);
    expect((await examined).findings).toEqual([
      { check: "hung", result: "fail", detail: "no answer within 3 s" },
    ]);
  }
  expect(runs).toBe(1);
});
