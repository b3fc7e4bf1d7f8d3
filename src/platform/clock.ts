/** Time as an argument: everything that waits or stamps takes one of these. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds that only ever grow; for durations. */
  monotonic(): number;
  /** Calls `run` once after `ms`; the returned function cancels it. */
  after(ms: number, run: () => void): () => void;
  /** Calls `run` every `ms`, the first time after about that; the returned function ends it. */
  every(ms: number, run: () => void): () => void;
}

/** From this period on, in milliseconds, timers fall on multiples of it: those of an idle process wake it together. */
const coarse = 1000;

/** A timer set for more milliseconds, 25 days, would fire at once. */
const longestTimer = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, run) => {
    let timer = wait(ms);
    function wait(left: number): ReturnType<typeof setTimeout> {
      if (left <= longestTimer) return setTimeout(run, left);
      return setTimeout(() => {
        timer = wait(left - longestTimer);
      }, longestTimer);
    }
    return () => clearTimeout(timer);
  },
  every: (ms, run) => {
    if (ms < coarse) {
      const timer = setInterval(run, ms);
      return () => clearInterval(timer);
    }
    let timer = setTimeout(tick, untilTick(performance.now(), ms));
    function tick(): void {
      timer = setTimeout(tick, untilTick(performance.now(), ms));
      run();
    }
    return () => clearTimeout(timer);
  },
};

/** Milliseconds to the next multiple of `period` that is at least half a period away. */
export const untilTick = (now: number, period: number) => Math.ceil(now / period + 0.5) * period - now;

/** A clock a test moves by hand; due timers run in the order of their time. */
export function createManualClock(start = 0): Clock & { advance(ms: number): void } {
  let now = start;
  let timers: { at: number; run: () => void; every?: number }[] = [];
  const add = (timer: { at: number; run: () => void; every?: number }) => {
    timers.push(timer);
    return () => {
      timers = timers.filter((other) => other !== timer);
    };
  };
  return {
    now: () => now,
    monotonic: () => now,
    after: (ms, run) => add({ at: now + ms, run }),
    every: (ms, run) => add({ at: now + ms, run, every: ms }),
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const due = timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
        if (!due) break;
        now = due.at;
        if (due.every === undefined) timers = timers.filter((timer) => timer !== due);
        else due.at += due.every;
        due.run();
      }
      now = end;
    },
  };
}
