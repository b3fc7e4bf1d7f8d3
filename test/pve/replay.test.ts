import { describe, expect, test } from "bun:test";
import { badParams, Refused } from "../fake-pve/failure.ts";
import { seedLab } from "../fake-pve/lab.ts";
import { Call } from "../fake-pve/operation.ts";
import { findFaults } from "../fake-pve/params.ts";
import { World } from "../fake-pve/world.ts";
import { arrangements } from "./arrangements.ts";
import { type Matched, matchRecordings } from "./matched.ts";
import { dataFolder, readRecordings, readSchema } from "./recordings.ts";

interface Outcome {
  status: number;
  message: string;
  /** Of a task: its type and id, and how it ended. */
  task?: string;
  exitstatus?: string;
}

const callers = {
  full: { user: "lab@pve", tokenid: "full", privsep: false },
  appliance: { user: "lab@pve", tokenid: "appliance", privsep: true },
  root: { user: "root@pam", tokenid: "root", privsep: false },
} as const;

/** Exchanges that are about something else than what the operation does. */
const elsewhere =
  /^(auth-|extjs-|501-|506-|5xx-|json-invalid|ticket-|privsep-intersection|task-of-other-token|400-bad-node|snippets-content)/;

/** Exchanges that hang on the recording host's own state, and where else their rule is held. */
const ofItsHost = new Set([
  // The digest and the UPIDs of that host: the life cycle and the facts (9, 10, 11) use the fake's own.
  "config-digest-ok",
  "task-running-log",
  "task-running-status",
  "task-stop",
  // Two at once: fact 13.
  "race-clone-b",
  "race-delete-b",
  // Called an artefact by the recordings themselves.
  "vzdump-running-vm-debian-qemu",
]);

describe.skipIf(dataFolder === undefined)("the fake does what was recorded", () => {
  const recordings = dataFolder === undefined ? [] : readRecordings();
  const ends = new Map(recordings.map(({ name, response }) => [name, exitOf(response.body)]));
  const matched = recordings
    .filter(({ name }) => !/\.(log|status)$/.test(name) && !elsewhere.test(name) && !ofItsHost.has(name))
    .flatMap((recording) => matchRecordings([recording]));

  test("enough of them are at hand", () => {
    if (dataFolder !== undefined) expect(matched.length).toBeGreaterThan(150);
  });

  for (const each of matched) {
    test(`${each.recording.name}`, async () => {
      const world = createLab();
      await arrangements[each.recording.name]?.(world);
      const before = snapshotTasks(world);
      const own = await carryOut(world, each, before);
      const theirs = recorded(each, ends.get(`${each.recording.name}.status`));
      // Not every task's end was recorded.
      expect(theirs.exitstatus === undefined ? { ...own, exitstatus: undefined } : own).toEqual(theirs);
    });
  }
});

/** By operation, then field: the JSON types it came in. */
type Fields = Map<string, Map<string, Set<string>>>;
const own: Fields = new Map();
const nameOf = ({ method, path }: { method: string; path: string }) => `${method} ${path}`;

function note(fields: Fields, operation: string, data: unknown): void {
  const found = fields.get(operation) ?? new Map<string, Set<string>>();
  fields.set(operation, found);
  for (const row of Array.isArray(data) ? data : [data]) {
    if (typeof row !== "object" || row === null) continue;
    for (const [name, value] of Object.entries(row)) {
      // net0 and net1 are one and the same.
      const key = name.replace(/\d+$/, "[n]");
      found.set(key, (found.get(key) ?? new Set()).add(value === null ? "null" : typeof value));
    }
  }
}

describe.skipIf(dataFolder === undefined)("the fields of the fake's answers", () => {
  test("are fields of the real ones, and of their types", () => {
    const theirs: Fields = new Map();
    for (const { route, recording } of matchRecordings(readRecordings())) {
      const { status, body } = recording.response;
      if (status === 200 && typeof body === "object" && body !== null && "data" in body) {
        note(theirs, nameOf(route.operation), body.data);
      }
    }
    const schema = readSchema("9.2");
    const wrong: string[] = [];
    expect(own.size).toBeGreaterThan(30);
    for (const [operation, fields] of own) {
      if (operation === "GET /access/permissions") continue; // keyed by path
      const returns = schema.get(operation)?.returns;
      const described = { ...returns?.properties, ...returns?.items?.properties };
      for (const [name, types] of fields) {
        const recorded = theirs.get(operation)?.get(name);
        if (!recorded && described[name] === undefined) wrong.push(`${operation}: there is no '${name}'`);
        for (const type of types) {
          if (recorded && !recorded.has(type))
            wrong.push(`${operation}: ${name} comes as ${[...recorded]}, not ${type}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});

function createLab(): World {
  const world = new World({ version: "9.2", nodes: ["pve1"], pace: 0.001, taskMs: 1, clockSkewMs: 0 });
  seedLab(world);
  return world;
}

const snapshotTasks = (world: World) => world.tasks.all.length;

async function carryOut(
  world: World,
  { route, params, recording }: Matched,
  before: number,
): Promise<Outcome> {
  const caller = callers[recording.request.token as keyof typeof callers] ?? callers.full;
  const isUpload = route.operation.path.endsWith("/upload");
  const call = new Call(
    world,
    caller,
    params,
    isUpload ? { filename: String(params.filename), size: 4096 } : undefined,
  );
  try {
    route.operation.gate?.(call);
    const wrong = findFaults(route.request, params);
    if (Object.keys(wrong).length > 0) throw badParams(wrong);
    const data = await route.operation.run(call);
    note(own, nameOf(route.operation), data);
  } catch (error) {
    if (error instanceof Refused) return { status: error.status, message: error.message };
    throw error;
  }
  const task = world.tasks.all[before];
  if (!task) return { status: 200, message: "OK" };
  while (task.exitstatus === undefined) await Bun.sleep(2);
  return { status: 200, message: "OK", task: `${task.type}:${task.id}`, exitstatus: task.exitstatus };
}

function recorded({ recording }: Matched, exitstatus: string | undefined): Outcome {
  const { status, body, statusText } = recording.response;
  const fields = typeof body === "object" && body !== null ? body : {};
  if (status !== 200) {
    const message = "message" in fields ? String(fields.message).trim() : (statusText ?? "");
    return { status, message };
  }
  const upid =
    "data" in fields && typeof fields.data === "string"
      ? /^UPID:(?:[^:]+:){4}([^:]+:[^:]*):/.exec(fields.data)?.[1]
      : undefined;
  if (upid === undefined) return { status, message: "OK" };
  return { status, message: "OK", task: upid, ...(exitstatus !== undefined && { exitstatus }) };
}

function exitOf(body: unknown): string | undefined {
  const data = typeof body === "object" && body !== null && "data" in body ? body.data : undefined;
  return typeof data === "object" && data !== null && "exitstatus" in data
    ? String(data.exitstatus)
    : undefined;
}
