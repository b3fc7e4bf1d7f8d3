import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Attempt, decideRetry, type Failure } from "./retry.ts";

const attempt = (failure: Failure, rest: Partial<Attempt> = {}): Attempt => ({
  failure,
  repeatable: false,
  attempts: 1,
  elapsedMs: 0,
  untried: 0,
  ...rest,
});
const refused = (status: number): Failure => ({ kind: "refused", status, refusal: "other" });

test("what was never sent goes to the next node at once, then is tried again a few times", () => {
  expect(decideRetry(attempt({ kind: "not-sent" }, { untried: 1 }))).toEqual({
    kind: "again",
    afterMs: 0,
    elsewhere: true,
  });
  expect(decideRetry(attempt({ kind: "not-sent" }))).toMatchObject({ kind: "again", afterMs: 250 });
  expect(decideRetry(attempt({ kind: "not-sent" }, { attempts: 4 }))).toEqual({ kind: "give-up" });
});

test("a host that is not the right one is not asked again", () => {
  expect(decideRetry(attempt({ kind: "not-trusted" }, { repeatable: true }))).toEqual({ kind: "give-up" });
  expect(decideRetry(attempt({ kind: "not-trusted" }, { untried: 1 }))).toMatchObject({
    kind: "again",
    elsewhere: true,
  });
});

test("a change is repeated only where it was surely not made", () => {
  expect(decideRetry(attempt(refused(595)))).toMatchObject({ kind: "again" });
  expect(decideRetry(attempt(refused(503)))).toMatchObject({ kind: "again" });
  expect(decideRetry(attempt(refused(596)))).toEqual({ kind: "look-first" });
  expect(decideRetry(attempt(refused(502)))).toEqual({ kind: "look-first" });
  expect(decideRetry(attempt({ kind: "unanswered", timedOut: false }))).toEqual({ kind: "look-first" });
  expect(decideRetry(attempt({ kind: "unanswered", timedOut: true }))).toEqual({ kind: "look-first" });
});

test("an answer that is a plain no is final", () => {
  for (const status of [400, 401, 403, 500, 501]) {
    expect(decideRetry(attempt(refused(status), { repeatable: true }))).toEqual({ kind: "give-up" });
  }
});

test("a lock's time-out is waited out for 45 s and no longer", () => {
  const locked: Failure = { kind: "refused", status: 500, refusal: "lock-timeout" };
  expect(decideRetry(attempt(locked, { elapsedMs: 44_000, attempts: 20 }))).toEqual({
    kind: "again",
    afterMs: 2_000,
    elsewhere: false,
  });
  expect(decideRetry(attempt(locked, { elapsedMs: 45_000 }))).toEqual({ kind: "give-up" });
});

test("nothing is repeated for ever, and no change whose fate is unknown is repeated at all", () => {
  const failure = fc.oneof(
    fc.constant<Failure>({ kind: "not-sent" }),
    fc.constant<Failure>({ kind: "not-trusted" }),
    fc.boolean().map((timedOut): Failure => ({ kind: "unanswered", timedOut })),
    fc.integer({ min: 400, max: 599 }).map(refused),
  );
  fc.assert(
    fc.property(failure, fc.boolean(), (found, repeatable) => {
      expect(decideRetry(attempt(found, { repeatable, attempts: 5, elapsedMs: 60_000 })).kind).not.toBe(
        "again",
      );
      const unsure =
        found.kind === "unanswered" || (found.kind === "refused" && [502, 596].includes(found.status));
      if (unsure) expect(decideRetry(attempt(found)).kind).toBe("look-first");
    }),
  );
});
