import type { Clock } from "../../platform/clock.ts";
import { PveTaskError } from "./errors.ts";
import { sleep } from "./pause.ts";
import { lockPatienceMs } from "./retry.ts";
import type { TaskOutcome, WaitOptions } from "./task-waiter.ts";
import type { Upid } from "./upid.ts";

export interface TaskRun {
  change: () => Promise<Upid | undefined>;
  wait: (upid: Upid, options?: WaitOptions) => Promise<TaskOutcome>;
  clock: Clock;
}

const lockPauseMs = 2_000;

/**
 * A start right after a stop answers with a task, and it is the task that fails, because the stop's clean-up
 * holds the lock file for up to 30 s. Such a task has changed nothing: it is started again for 45 s.
 * `undefined`: the change was done when it answered.
 */
export async function runTask(
  { change, wait, clock }: TaskRun,
  options?: WaitOptions,
): Promise<TaskOutcome | undefined> {
  const began = clock.monotonic();
  for (;;) {
    const upid = await change();
    if (upid === undefined) return undefined;
    try {
      return await wait(upid, options);
    } catch (error) {
      const isLockTimeout = error instanceof PveTaskError && error.refusal.kind === "lock-timeout";
      if (!isLockTimeout || clock.monotonic() - began > lockPatienceMs) throw error;
      await sleep(clock, lockPauseMs, options?.signal);
    }
  }
}
