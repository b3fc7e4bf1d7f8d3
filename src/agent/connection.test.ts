import { expect, test } from "bun:test";
import { backOff, type ConnectionState, decideConnection } from "./connection.ts";

const from = (state: ConnectionState, event: Parameters<typeof decideConnection>[1]) =>
  decideConnection(state, event, 0.5);

test("start connects at once, from rest and only from there", () => {
  expect(from({ kind: "disconnected" }, { kind: "start" })).toEqual({
    state: { kind: "connecting", attempt: 1 },
    connectAfter: 0,
  });
  const connected: ConnectionState = { kind: "connected", since: 5 };
  expect(from(connected, { kind: "start" })).toEqual({ state: connected });
});

test("a first connection that fails stays 'connecting'; one that was lost is 'reconnecting'", () => {
  expect(from({ kind: "connecting", attempt: 1 }, { kind: "lost" }).state).toEqual({
    kind: "connecting",
    attempt: 2,
  });
  expect(from({ kind: "connected", since: 1 }, { kind: "lost" }).state).toEqual({
    kind: "reconnecting",
    attempt: 1,
  });
  expect(from({ kind: "reconnecting", attempt: 3 }, { kind: "lost" }).state).toEqual({
    kind: "reconnecting",
    attempt: 4,
  });
});

test("after a clean stop agents come back around the moment labd named, not all at once", () => {
  const lost = (random: number) =>
    decideConnection({ kind: "connected", since: 1 }, { kind: "lost", after: 4000 }, random).connectAfter;
  expect([lost(0), lost(0.5), lost(0.999)]).toEqual([2000, 4000, 5996]);
});

test("after a stop nothing is tried any more, whatever still arrives", () => {
  const stopped = from({ kind: "connected", since: 1 }, { kind: "stop" }).state;
  expect(from(stopped, { kind: "lost" })).toEqual({ state: { kind: "disconnected" } });
  expect(from(stopped, { kind: "welcomed", at: 9 })).toEqual({ state: { kind: "disconnected" } });
});

test("the back-off stays within 1 and 30 s, grows, and differs by chance", () => {
  for (const random of [0, 0.5, 0.999]) {
    for (let attempt = 1; attempt < 40; attempt++) {
      expect(backOff(attempt, random)).toBeWithin(1000, 30_001);
    }
  }
  expect(backOff(10, 0)).toBe(15_000);
  expect(backOff(10, 0.999)).toBeGreaterThan(29_000);
});
