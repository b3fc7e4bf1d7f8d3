import type { ListedTask } from "./tasks.ts";
import { parseUpid, type Upid } from "./upid.ts";

export const pageSize = 500;
/** With more tasks than this in the way, what was not seen is asked for one by one. */
export const maxPages = 4;
/** Of those, so many in one round. */
export const maxSingles = 8;

export type PollPlan = { kind: "status"; upid: Upid } | { kind: "list"; since: number };

/** One wait asks for its task; several on a node share a look at its task list. */
export function decidePoll(upids: readonly Upid[]): PollPlan | undefined {
  const [first] = upids;
  if (first === undefined) return undefined;
  if (upids.length === 1) return { kind: "status", upid: first };
  return { kind: "list", since: Math.min(...upids.map((upid) => parseUpid(upid)?.starttime ?? 0)) };
}

/** Milliseconds to the next poll after `polls` of them: 1 s growing to 5 s, 20 % either way. */
export function pollDelayMs(polls: number, random: number): number {
  const delay = Math.min(5_000, 1_000 * 1.5 ** Math.max(0, polls - 1));
  return Math.round(delay * (0.8 + 0.4 * random));
}

/** The exit status a list entry gives; `undefined` while it runs. */
export function exitStatusOf(task: ListedTask): string | undefined {
  const { status } = task;
  return status === undefined || status === "" || /^running$/i.test(status) ? undefined : status;
}
