import type { Clock } from "../src/platform/clock.ts";

const tickMs = 50;

/**
 * A clock whose timers leave out what this process itself was held up: thousands of machines in one program, on
 * processors shared with their server, are not to take its late turn for a server that is silent. What is measured,
 * by `monotonic`, is real time.
 */
export function createPatientClock(clock: Clock): Clock {
  let [ticked, held] = [clock.monotonic(), 0];
  const late = () => {
    const ms = clock.monotonic() - ticked - tickMs;
    return ms > tickMs ? ms : 0;
  };
  clock.every(tickMs, () => {
    held += late();
    ticked = clock.monotonic();
  });
  return {
    ...clock,
    after(ms, run) {
      let from = held + late();
      let cancel = clock.after(ms, fire);
      function fire(): void {
        const now = held + late();
        if (now === from) run();
        else cancel = clock.after(now - from, fire);
        from = now;
      }
      return () => cancel();
    },
  };
}
