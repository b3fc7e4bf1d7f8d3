import { z } from "zod";
import { AppError } from "../../platform/errors.ts";
import { type CallOptions, decodeAs, type PveApi, readAs, route } from "./api.ts";
import { isUpid, parseUpid, type Upid } from "./upid.ts";
import { integer, maybe, text } from "./wire.ts";

const taskStatus = z.object({ status: text, exitstatus: maybe(text) });
const listedTask = z.object({
  upid: z.string().refine(isUpid, "not a UPID"),
  node: text,
  type: text,
  id: maybe(text),
  user: maybe(text),
  tokenid: maybe(text),
  starttime: integer,
  endtime: maybe(integer),
  /** The exit status once it ended; `RUNNING` or absent before. */
  status: maybe(text),
});
const logLine = z.object({ n: integer, t: text });

export type TaskStatus = { running: true } | { running: false; exitstatus: string };
export type ListedTask = z.infer<typeof listedTask>;

/** `OK`, and `WARNINGS: n`, which is one too: the work was done. */
export function isSuccess(exitstatus: string): boolean {
  return exitstatus === "OK" || /^WARNINGS:? /.test(exitstatus);
}

export function warningCount(exitstatus: string): number {
  return Number(/^WARNINGS:? (\d+)/.exec(exitstatus)?.[1] ?? 0);
}

export interface TaskFilter {
  source?: "archive" | "active" | "all";
  vmid?: number;
  typefilter?: string;
  /** Seconds since the epoch, by the node's clock. */
  since?: number;
  errors?: boolean;
  start?: number;
  limit?: number;
}

export function createTasks(api: PveApi) {
  const pathOf = (upid: Upid) => route`/nodes/${nodeOf(upid)}/tasks/${upid}`;

  return {
    /** This token's tasks; all of the node's with Sys.Audit. Newest first. */
    list: (node: string, filter: TaskFilter = {}, options?: CallOptions): Promise<ListedTask[]> =>
      readAs(api, z.array(listedTask), route`/nodes/${node}/tasks`, { ...filter }, options),
    status: async (upid: Upid, options?: CallOptions): Promise<TaskStatus> => {
      const found = await readAs(api, taskStatus, `${pathOf(upid)}/status`, undefined, options);
      return found.status === "stopped"
        ? { running: false, exitstatus: found.exitstatus ?? "unexpected status" }
        : { running: true };
    },
    /** The last `lines` of the log, oldest first. */
    logTail: async (upid: Upid, lines = 20, options?: CallOptions): Promise<string[]> => {
      const path = `${pathOf(upid)}/log`;
      const read = async (start: number) => {
        const { data, total } = await api.read(path, { start, limit: lines }, options);
        return { found: decodeAs(z.array(logLine), data, `GET ${path}`), total };
      };
      const head = await read(0);
      const { found } = (head.total ?? 0) > lines ? await read((head.total ?? 0) - lines) : head;
      return found.map(({ t }) => t);
    },
    /** Asks a running task to end. */
    stop: async (upid: Upid, options?: CallOptions): Promise<void> => {
      await api.change({ method: "DELETE", path: pathOf(upid), repeatable: true }, options);
    },
  };
}

export function nodeOf(upid: Upid): string {
  const node = parseUpid(upid)?.node;
  if (node === undefined) throw new AppError("invalid", `'${upid}' is not a UPID`);
  return node;
}

export type PveTasks = ReturnType<typeof createTasks>;
