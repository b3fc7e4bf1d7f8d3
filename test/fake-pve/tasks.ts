import { refuse } from "./failure.ts";
import { type Caller, callerId } from "./rights.ts";

export interface Task {
  upid: string;
  node: string;
  type: string;
  id: string;
  caller: Caller;
  pid: number;
  pstart: number;
  starttime: number;
  endtime: number | undefined;
  exitstatus: string | undefined;
  log: string[];
  warnings: number;
  stop: AbortController;
}

/** What a task's work may do besides changing the world. */
export interface Worker {
  log(line: string): void;
  warn(line: string): void;
  /** Takes so much time, scaled; throws when the task is stopped. */
  spend(ms: number): Promise<void>;
}

export type Work = (worker: Worker) => Promise<void> | void;

export interface TaskOrder {
  node: string;
  type: string;
  id: string;
  caller: Caller;
  work: Work;
}

/** The tasks of a cluster: they take time, are listed, and end as the real ones do. */
export class Tasks {
  readonly all: Task[] = [];
  /** Next tasks of these types end with this exit status, their work undone (or done, with warnings). */
  readonly planned: { type: string; exitstatus: string; left: number; logLines?: readonly string[] }[] = [];
  readonly #byUpid = new Map<string, Task>();
  readonly #nowMs: () => number;
  readonly #sleep: (ms: number) => Promise<void>;
  readonly #minMs: number;
  #pid = 0x200;

  constructor(nowMs: () => number, sleep: (ms: number) => Promise<void>, minMs: number) {
    this.#nowMs = nowMs;
    this.#sleep = sleep;
    this.#minMs = minMs;
  }

  find(upid: string): Task | undefined {
    return this.#byUpid.get(upid);
  }

  start({ node, type, id, caller, work }: TaskOrder): string {
    const pid = this.#pid++;
    const starttime = Math.floor(this.#nowMs() / 1000);
    const pstart = Math.floor(this.#nowMs() / 10) % 0x7fffffff;
    const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, "0");
    const upid = `UPID:${node}:${hex(pid)}:${hex(pstart)}:${hex(starttime)}:${type}:${id}:${callerId(caller)}:`;
    const task: Task = {
      upid,
      node,
      type,
      id,
      caller,
      pid,
      pstart,
      starttime,
      endtime: undefined,
      exitstatus: undefined,
      log: [],
      warnings: 0,
      stop: new AbortController(),
    };
    this.all.push(task);
    this.#byUpid.set(upid, task);
    void this.#run(task, work);
    return upid;
  }

  async #run(task: Task, work: Work): Promise<void> {
    const planned = this.planned.find((plan) => plan.type === task.type && plan.left > 0);
    if (planned) planned.left--;
    const checkStopped = () => {
      if (task.stop.signal.aborted) throw refuse("unexpected status");
    };
    const worker: Worker = {
      log: (line) => void task.log.push(line),
      warn: (line) => {
        task.warnings++;
        task.log.push(`WARN: ${line}`);
      },
      spend: async (ms) => {
        await this.#sleep(ms);
        checkStopped();
      },
    };
    try {
      await this.#sleep(this.#minMs);
      checkStopped();
      task.log.push(...(planned?.logLines ?? []));
      if (planned && !planned.exitstatus.startsWith("WARNINGS")) throw refuse(planned.exitstatus);
      await work(worker);
      const exitstatus = planned?.exitstatus ?? (task.warnings > 0 ? `WARNINGS: ${task.warnings}` : "OK");
      this.#end(task, exitstatus, `TASK ${exitstatus}`);
    } catch (error) {
      const text = error instanceof Error ? messageOf(error) : String(error);
      this.#end(task, text, `TASK ERROR: ${text}`);
    }
  }

  #end(task: Task, exitstatus: string, line: string): void {
    task.log.push(line);
    task.exitstatus = exitstatus;
    task.endtime = Math.floor(this.#nowMs() / 1000);
  }
}

/** Inside a task a refused permission is told with its number. */
function messageOf(error: Error): string {
  return error.message.startsWith("Permission check failed") ? `403 ${error.message}` : error.message;
}
