import { z } from "zod";
import { badParams } from "./failure.ts";
import { type Call, int, nothing, type Operation } from "./operation.ts";
import { boolean, integer, node, required, string, vmid } from "./params.ts";
import type { Task } from "./tasks.ts";

const taskFields = {
  upid: z.string(),
  node: z.string(),
  pid: int,
  pstart: int,
  starttime: int,
  type: z.string(),
  id: z.string(),
  user: z.string(),
  tokenid: z.string().optional(),
};
const listed = z.looseObject({ ...taskFields, endtime: int.optional(), status: z.string().optional() });
const status = z.looseObject({
  ...taskFields,
  status: z.enum(["running", "stopped"]),
  exitstatus: z.string().optional(),
});

const fieldsOf = (task: Task) => ({
  upid: task.upid,
  node: task.node,
  pid: task.pid,
  pstart: task.pstart,
  starttime: task.starttime,
  type: task.type,
  id: task.id,
  user: task.caller.user,
  tokenid: task.caller.tokenid,
});

const isOwn = (call: Call, task: Task) =>
  task.caller.user === call.caller.user && task.caller.tokenid === call.caller.tokenid;

function findTask(call: Call, privilege: string): Task {
  const upid = call.text("upid");
  if (!/^UPID:[^:]+:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:[^:]+:[^:]*:[^:]+:$/.test(upid)) {
    throw badParams({ upid: "unable to parse worker upid" });
  }
  const task = call.world.tasks.find(upid);
  if (task && !isOwn(call, task)) call.demand(`/nodes/${call.node}`, privilege);
  if (!task) throw badParams({ upid: "no such task" });
  return task;
}

const failed = (task: Task) =>
  task.exitstatus !== undefined && task.exitstatus !== "OK" && !task.exitstatus.startsWith("WARNINGS");

function list(call: Call) {
  const { world } = call;
  const source = call.maybe("source") ?? "archive";
  const all = call.can(`/nodes/${call.node}`, "Sys.Audit");
  const found = world.tasks.all
    .toReversed()
    .filter((task) => task.node === call.node && (all || isOwn(call, task)))
    .filter((task) => source === "all" || (source === "active") === (task.exitstatus === undefined))
    .filter((task) => !call.has("since") || task.starttime >= call.int("since"))
    .filter((task) => !call.has("until") || task.starttime <= call.int("until"))
    .filter((task) => !call.has("typefilter") || task.type === call.text("typefilter"))
    .filter((task) => !call.has("vmid") || task.id === call.text("vmid"))
    .filter((task) => !call.bool("errors") || failed(task));
  const start = call.int("start");
  call.total = found.length;
  return found.slice(start, start + call.int("limit", 50)).map((task) => ({
    ...fieldsOf(task),
    ...(task.endtime !== undefined && { endtime: task.endtime }),
    status: task.exitstatus ?? "RUNNING",
  }));
}

const upid = required(string());

export const taskOperations: Operation[] = [
  {
    method: "GET",
    path: "/nodes/{node}/tasks",
    params: {
      node,
      errors: boolean(),
      limit: integer({ min: 0 }),
      start: integer({ min: 0 }),
      since: integer(),
      until: integer(),
      source: string({ enum: ["archive", "active", "all"] }),
      statusfilter: string({ format: "pve-task-status-type-list" }),
      typefilter: string(),
      userfilter: string(),
      vmid: vmid(),
    },
    returns: z.array(listed),
    run: list,
  },
  {
    method: "GET",
    path: "/nodes/{node}/tasks/{upid}/status",
    params: { node, upid },
    returns: status,
    run: (call) => {
      const task = findTask(call, "Sys.Audit");
      const { exitstatus } = task;
      return exitstatus === undefined
        ? { ...fieldsOf(task), status: "running" }
        : { ...fieldsOf(task), status: "stopped", exitstatus };
    },
  },
  {
    method: "GET",
    path: "/nodes/{node}/tasks/{upid}/log",
    params: { node, upid, start: integer({ min: 0 }), limit: integer({ min: 0 }), download: boolean() },
    returns: z.array(z.looseObject({ n: int, t: z.string() })),
    run: (call) => {
      const task = findTask(call, "Sys.Audit");
      const start = call.int("start");
      call.total = task.log.length;
      return task.log
        .slice(start, start + call.int("limit", 50))
        .map((t, index) => ({ n: start + index + 1, t }));
    },
  },
  {
    method: "DELETE",
    path: "/nodes/{node}/tasks/{upid}",
    params: { node, upid },
    returns: nothing,
    run: (call) => {
      findTask(call, "Sys.Modify").stop.abort();
      return null;
    },
  },
];
