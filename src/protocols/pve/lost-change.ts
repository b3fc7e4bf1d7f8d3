import { z } from "zod";
import { type CallOptions, type ExpectedTask, type PveApi, readAs, route } from "./api.ts";
import { isUpid, parseUpid, type Upid } from "./upid.ts";
import { text } from "./wire.ts";

const taskList = z.array(z.object({ upid: z.string() }));
const logLines = z.array(z.object({ t: text }));

export interface LostChange {
  task: ExpectedTask;
  /** Seconds since the epoch by the node's clock: tasks begun before are not it. */
  since: number;
  /** UPIDs that answered other changes. */
  known: ReadonlySet<string>;
}

/** The task that a change without an answer started after all; `undefined` when there is none of this token's. */
export async function findLostTask(
  api: PveApi,
  lost: LostChange,
  options: CallOptions,
): Promise<Upid | undefined> {
  const { task, since, known } = lost;
  const query = { source: "all", typefilter: task.type, since, limit: 100 };
  const found = await readAs(api, taskList, route`/nodes/${task.node}/tasks`, query, options);
  const candidates = found
    .map(({ upid }) => upid)
    .filter(isUpid)
    .filter((upid) => !known.has(upid) && isOurs(upid, lost, api));
  if (task.logLine === undefined) return candidates[0];
  for (const upid of candidates) {
    const path = route`/nodes/${task.node}/tasks/${upid}/log`;
    const lines = await readAs(api, logLines, path, { limit: 20 }, options);
    if (lines.some(({ t }) => t.trimEnd().endsWith(task.logLine ?? ""))) return upid;
  }
  return undefined;
}

function isOurs(upid: Upid, { task, since }: LostChange, api: PveApi): boolean {
  const parts = parseUpid(upid);
  return (
    parts !== undefined &&
    parts.type === task.type &&
    parts.id === task.id &&
    parts.starttime >= since &&
    parts.user === api.owner.user &&
    parts.tokenid === api.owner.tokenid
  );
}
