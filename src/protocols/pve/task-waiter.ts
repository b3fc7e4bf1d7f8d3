import type { Clock } from "../../platform/clock.ts";
import { AppError } from "../../platform/errors.ts";
import { PveTaskError, PveTimeout, type TokenOwner } from "./errors.ts";
import { decidePoll, exitStatusOf, maxPages, maxSingles, pageSize, pollDelayMs } from "./task-poll.ts";
import { isSuccess, nodeOf, type PveTasks, warningCount } from "./tasks.ts";
import { parseUpid, type Upid } from "./upid.ts";

export interface WaitOptions {
  signal?: AbortSignal | undefined;
  /** Milliseconds; ten minutes when left out. The task itself goes on. */
  timeoutMs?: number | undefined;
}

export interface TaskOutcome {
  upid: Upid;
  exitstatus: string;
  /** How many warnings a task that ended in `WARNINGS: n` gave. */
  warnings: number;
}

export interface TaskWaiter {
  /** Resolves when the task ended well, rejects with `PveTaskError` when it did not. */
  wait(upid: Upid, options?: WaitOptions): Promise<TaskOutcome>;
  close(): void;
}

interface Wait {
  upid: Upid;
  polls: number;
  resolve(outcome: TaskOutcome): void;
  reject(error: unknown): void;
}

const defaultTimeoutMs = 600_000;
/** However fast new waits arrive, a node is not asked more often than this. */
const minGapMs = 100;

export interface WaiterOptions {
  tasks: PveTasks;
  owner: TokenOwner;
  clock: Clock;
  random: () => number;
}

export function createTaskWaiter(options: WaiterOptions): TaskWaiter {
  const { clock } = options;
  const nodes = new Map<string, NodePoller>();

  const pollerOf = (node: string): NodePoller => {
    const found = nodes.get(node);
    if (found) return found;
    const created = createNodePoller(node, options, () => nodes.delete(node));
    nodes.set(node, created);
    return created;
  };

  return {
    wait: (upid, { signal, timeoutMs = defaultTimeoutMs } = {}) => {
      if (signal?.aborted) return Promise.reject(signal.reason);
      const node = pollerOf(nodeOf(upid));
      return new Promise<TaskOutcome>((resolve, reject) => {
        const settle = () => {
          cancelTimer();
          signal?.removeEventListener("abort", onAbort);
          node.remove(wait);
        };
        const wait: Wait = {
          upid,
          polls: 0,
          resolve: (outcome) => {
            settle();
            resolve(outcome);
          },
          reject: (error) => {
            settle();
            reject(error);
          },
        };
        const cancelTimer = clock.after(timeoutMs, () =>
          wait.reject(new PveTimeout(`waiting for ${upid}`, timeoutMs, "unknown")),
        );
        function onAbort(): void {
          wait.reject(signal?.reason);
        }
        signal?.addEventListener("abort", onAbort, { once: true });
        node.add(wait);
      });
    },
    close: () => {
      for (const node of [...nodes.values()]) node.close();
    },
  };
}

interface NodePoller {
  add(wait: Wait): void;
  remove(wait: Wait): void;
  close(): void;
}

/** Every wait on one node's tasks, with one poll between them. */
function createNodePoller(
  node: string,
  { tasks, owner, clock, random }: WaiterOptions,
  onIdle: () => void,
): NodePoller {
  const waits = new Set<Wait>();
  const ended = new AbortController();
  let cancelTimer = () => {};
  let polling = false;
  let lastPollAt = Number.NEGATIVE_INFINITY;

  function schedule(): void {
    cancelTimer();
    if (polling || waits.size === 0) return;
    const polls = Math.min(...[...waits].map((wait) => wait.polls));
    const gap = lastPollAt + minGapMs - clock.monotonic();
    const delay = polls === 0 ? Math.max(0, gap) : Math.max(gap, pollDelayMs(polls, random()));
    cancelTimer = clock.after(delay, () => void poll());
  }

  async function poll(): Promise<void> {
    polling = true;
    lastPollAt = clock.monotonic();
    const asked = [...waits];
    for (const wait of asked) wait.polls++;
    try {
      const plan = decidePoll([...new Set(asked.map(({ upid }) => upid))]);
      if (plan?.kind === "status") await pollOne(plan.upid);
      else if (plan) await pollList(plan.since, asked);
    } catch (error) {
      // Not allowed to look at all: there is no point in asking again.
      if (!isPassing(error)) for (const wait of asked) if (waits.has(wait)) wait.reject(error);
    } finally {
      polling = false;
      schedule();
    }
  }

  async function pollOne(upid: Upid): Promise<void> {
    try {
      const status = await tasks.status(upid, { signal: ended.signal });
      if (!status.running) finish(upid, status.exitstatus);
    } catch (error) {
      if (isPassing(error)) return;
      for (const wait of waitsFor(upid)) wait.reject(error);
    }
  }

  async function pollList(since: number, asked: readonly Wait[]): Promise<void> {
    const open = new Set(asked.map(({ upid }) => upid));
    for (let page = 0; page < maxPages && open.size > 0; page++) {
      const filter = { source: "all", since, start: page * pageSize, limit: pageSize } as const;
      const found = await tasks.list(node, filter, { signal: ended.signal });
      for (const task of found) {
        if (!open.delete(task.upid)) continue;
        const exitstatus = exitStatusOf(task);
        if (exitstatus !== undefined) finish(task.upid, exitstatus);
      }
      if (found.length < pageSize) break;
    }
    // Not in the list: of another owner, or too far down.
    for (const upid of [...open].slice(0, maxSingles)) await pollOne(upid);
  }

  const waitsFor = (upid: Upid) => [...waits].filter((wait) => wait.upid === upid);

  function finish(upid: Upid, exitstatus: string): void {
    const found = waitsFor(upid);
    if (isSuccess(exitstatus)) {
      for (const wait of found) wait.resolve({ upid, exitstatus, warnings: warningCount(exitstatus) });
      return;
    }
    // Out of the polling at once; the log is read beside it.
    for (const wait of found) waits.delete(wait);
    void describeFailure(upid, exitstatus).then((error) => {
      for (const wait of found) wait.reject(error);
    });
  }

  async function describeFailure(upid: Upid, exitstatus: string): Promise<PveTaskError> {
    const logTail = await tasks
      .logTail(upid, 20, { signal: ended.signal, timeoutMs: 10_000 })
      .catch(() => []);
    return new PveTaskError({ upid, exitstatus, logTail, owner, type: parseUpid(upid)?.type ?? "" });
  }

  return {
    add: (wait) => {
      waits.add(wait);
      schedule();
    },
    remove: (wait) => {
      waits.delete(wait);
      if (waits.size > 0) return;
      cancelTimer();
      if (!polling) onIdle();
    },
    close: () => {
      ended.abort();
      for (const wait of [...waits])
        wait.reject(new AppError("unavailable", `stopped waiting for ${wait.upid}`));
    },
  };
}

/** Time may mend it: the task is still there when the node answers again. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof AppError &&
    (error.code === "unavailable" || error.code === "timeout" || error.code === "failed")
  );
}
