import { describe, expect, test } from "bun:test";
import { systemClock, untilTick } from "./clock.ts";

describe("every", () => {
  test("ticks of different starts and periods fall together", () => {
    for (const now of [0, 1, 2499, 2501, 4999, 7777]) {
      expect((now + untilTick(now, 5000)) % 5000).toBe(0);
      expect((now + untilTick(now, 15_000)) % 15_000).toBe(0);
    }
  });

  test("a tick that comes a little early or late is followed by the next, not by itself again", () => {
    expect(untilTick(9999.6, 5000)).toBeCloseTo(5000.4);
    expect(untilTick(10_000, 5000)).toBe(5000);
    expect(untilTick(10_012, 5000)).toBe(4988);
    expect(untilTick(12_499, 5000)).toBe(2501);
    expect(untilTick(12_501, 5000)).toBe(7499);
  });

  test("ends when told, from within a tick too", async () => {
    let ticks = 0;
    const end = systemClock.every(1000, () => {
      ticks++;
      end();
    });
    await Bun.sleep(2600);
    expect(ticks).toBe(1);
  });
});

test("what is due in months is not due at once", async () => {
  let rang = false;
  const cancel = systemClock.after(60 * 86_400_000, () => {
    rang = true;
  });
  await Bun.sleep(50);
  cancel();
  expect(rang).toBe(false);
});
