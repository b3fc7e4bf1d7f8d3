import { expect, test } from "bun:test";
import { Hono } from "hono";
import { createManualClock } from "../platform/clock.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import { silentLogger } from "../platform/logger.ts";
import { type AppEnv, createApp } from "./app.ts";
import { createRateLimits } from "./rate-limits.ts";

const rates = { general: 100, enrol: 10, tokens: 20, failed: 10, uploads: 6000 };

function refusal(run: () => void): AppError | undefined {
  try {
    run();
  } catch (thrown) {
    return toAppError(thrown);
  }
  return undefined;
}

test("each identity has its own bound for each kind, and it fills again evenly", () => {
  const clock = createManualClock();
  const limits = createRateLimits(rates, clock);
  for (let index = 0; index < 10; index++) limits.take("enrol", "10.0.0.1");
  const refused = refusal(() => limits.take("enrol", "10.0.0.1"));
  expect([refused?.code, refused?.retryAfter]).toEqual(["too-many", 6]);
  limits.take("enrol", "10.0.0.2");
  limits.take("tokens", "10.0.0.1");
  clock.advance(6000);
  limits.take("enrol", "10.0.0.1");
  expect(refusal(() => limits.take("enrol", "10.0.0.1"))?.code).toBe("too-many");
});

test("a clock that is set back locks nobody out", () => {
  const clock = createManualClock();
  let setBack = 0;
  const limits = createRateLimits(rates, { ...clock, now: () => clock.now() - setBack });
  limits.take("general", "user/alice");
  setBack = 7_200_000;
  limits.take("general", "user/alice");
});

test("a refused request takes nothing: who keeps asking is let in as soon as who waits", () => {
  const clock = createManualClock();
  const limits = createRateLimits({ ...rates, general: 1 }, clock);
  limits.take("general", "user/alice");
  for (let second = 1; second < 60; second++) {
    clock.advance(1000);
    expect(refusal(() => limits.take("general", "user/alice"))?.retryAfter).toBe(60 - second);
  }
  clock.advance(1000);
  limits.take("general", "user/alice");
});

test("refusals are counted, and say when to come back", async () => {
  const refused: string[] = [];
  const limits = createRateLimits({ ...rates, general: 2 }, createManualClock(), (kind) =>
    refused.push(kind),
  );
  const routes = new Hono<AppEnv>().get("/", (context) => {
    limits.take("general", "10.0.0.1");
    return context.text("ok");
  });
  const app = createApp([routes], silentLogger);
  const ask = () => app.fetch(new Request("http://x/"));
  await ask();
  await ask();
  const answer = await ask();
  expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "30"]);
  expect(refused).toEqual(["general"]);
});

test("more identities than are remembered push out the one longest unseen", () => {
  const limits = createRateLimits({ ...rates, general: 1 }, createManualClock());
  limits.take("general", "first");
  for (let index = 0; index < 9_999; index++) limits.take("general", String(index));
  expect(refusal(() => limits.take("general", "first"))).toBeInstanceOf(AppError);
  for (let index = 0; index < 10_000; index++) limits.take("general", `other ${index}`);
  expect(refusal(() => limits.take("general", "first"))).toBeUndefined();
});
