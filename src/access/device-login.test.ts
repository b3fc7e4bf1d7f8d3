import { expect, test } from "bun:test";
import { createUserCode, decidePoll, deviceLife, formatUserCode, readUserCode } from "./device-login.ts";

const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
const waiting = { state: "pending" as const, expiresAt: 600_000, polledAt: null, pollInterval: 5000 };

test("a code is read as people type it, and nothing else is one", () => {
  const code = createUserCode(random);
  expect(code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{8}$/);
  for (const typed of [code, formatUserCode(code), formatUserCode(code).toLowerCase(), ` ${code} `])
    expect(readUserCode(typed)).toBe(code);
  for (const typed of ["", "BCDF", "BCDFGHJA", "BCDFGHJKL", "<script>"])
    expect(readUserCode(typed)).toBeUndefined();
});

test("no letter of a code is likelier than another", () => {
  const seen = new Map<string, number>();
  for (let round = 0; round < 2500; round++)
    for (const letter of createUserCode(random)) seen.set(letter, (seen.get(letter) ?? 0) + 1);
  expect(seen.size).toBe(20);
  for (const count of seen.values()) expect(Math.abs(count - 1000)).toBeLessThan(250);
});

test("who asks before its interval is over is told to ask less often, each time more so", () => {
  expect(decidePoll(waiting, 0)).toEqual({ kind: "pending" });
  expect(decidePoll({ ...waiting, polledAt: 0 }, 5000)).toEqual({ kind: "pending" });
  expect(decidePoll({ ...waiting, polledAt: 0 }, 1000)).toEqual({ kind: "slow-down", interval: 10_000 });
  expect(decidePoll({ ...waiting, polledAt: 0, pollInterval: 58_000 }, 1000)).toEqual({
    kind: "slow-down",
    interval: 60_000,
  });
});

test("what was granted or denied is said, and nothing after its time", () => {
  expect(decidePoll({ ...waiting, state: "granted" }, 1000)).toEqual({ kind: "granted" });
  expect(decidePoll({ ...waiting, state: "denied", polledAt: 999 }, 1000)).toEqual({ kind: "denied" });
  expect(decidePoll({ ...waiting, state: "granted" }, deviceLife.whole)).toEqual({ kind: "expired" });
});
