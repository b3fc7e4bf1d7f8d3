import type { Actor, AuditLog, Authority, TokenService } from "../access/service.ts";
import { describeChanges } from "../machines/inventory-service.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import { type Precondition, whatever } from "../platform/precondition.ts";
import type { Store } from "../store/database.ts";
import { createEnrolment, type Enrolment } from "./enrolment.ts";
import { createHub, type Hub } from "./hub.ts";
import { createMoves, type Moves } from "./moves.ts";
import type { Health, Vitals } from "./protocol.ts";
import {
  addHistory,
  type HistoryEntry,
  labelsOf,
  loadServers,
  readHistory,
  type ServerRecord,
  saveSeen,
  updateServer,
} from "./server-repository.ts";

export type { Enrolled, EnrolRequest } from "./enrolment.ts";
export type { CommandHandle, Exit, Hub, Reader, Work } from "./hub.ts";
export type { HistoryEntry } from "./server-repository.ts";

export interface Server extends ServerRecord {
  state: "connected" | "disconnected";
  vitals?: Vitals;
  health?: Health;
  /** Milliseconds its clock is ahead of ours; negative: behind. */
  clockAhead?: number;
  /** Messages of its agent that this labd does not know. */
  ignored?: number;
}

/** What is known of a host while it is connected. */
interface Live {
  vitals?: Vitals;
  health?: Health;
  clockAhead?: number;
  ignored?: number;
}

/** Hosts that enrolled: who they are, how they are, what runs on them. */
export interface Fleet extends Enrolment, Moves {
  readonly hub: Hub;
  list(): Server[];
  /** @throws `not-found`. */
  find(name: string): Server;
  /** What happened to it, newest first. */
  history(name: string): Promise<HistoryEntry[]>;
  setLabels(
    actor: Actor,
    name: string,
    change: Record<string, string | undefined>,
    precondition?: Precondition,
  ): Promise<Server>;
  noteConnected(name: string, agentVersion: string, address: string): Promise<void>;
  noteVitals(name: string, vitals: Vitals, clockAhead: number | undefined): void;
  noteHealth(name: string, health: Health): void;
  noteIgnored(name: string): void;
  noteFacts(name: string, facts: Record<string, unknown>): Promise<void>;
  stop(): Promise<void>;
}

export interface FleetDeps {
  store: Store;
  clock: Clock;
  audit: AuditLog;
  authority: Authority;
  tokens: TokenService;
  newId: () => string;
}

/** Milliseconds between writing when hosts were last heard; in between it is in memory alone. */
const seenInterval = 60_000;
/** Agents are told to come back after so long, in milliseconds, when labd stops. */
const comeBackAfter = 2000;

export async function createFleet(deps: FleetDeps): Promise<Fleet> {
  const { store, clock, audit, newId } = deps;
  const hub = createHub(clock, newId);
  const records = new Map((await loadServers(store.read)).map((record) => [record.name, record]));
  const live = new Map<string, Live>();
  const heard = new Map<string, number>();

  async function writeSeen(): Promise<void> {
    if (heard.size === 0) return;
    const batch = new Map(heard);
    heard.clear();
    await store.transaction((tx) => saveSeen(tx, batch));
  }
  const stopWriting = clock.every(seenInterval, () => void writeSeen().catch(() => {}));

  const view = (record: ServerRecord): Server => {
    const connected = hub.connected(record.name);
    return {
      ...record,
      state: connected ? "connected" : "disconnected",
      ...(connected && live.get(record.name)),
    };
  };
  const find = (name: string): ServerRecord => {
    const record = records.get(name);
    if (record) return record;
    throw new AppError("not-found", `there is no server '${name.slice(0, 80)}'`, {
      hint: "labctl get servers",
    });
  };
  const change = (name: string, part: Partial<ServerRecord>) => {
    const record = { ...find(name), ...part };
    records.set(name, record);
    return record;
  };
  const note = (name: string, part: Live) => {
    if (records.has(name)) live.set(name, { ...live.get(name), ...part });
  };

  return {
    hub,
    ...createEnrolment({ ...deps, hub, records, find }),
    ...createMoves({ ...deps, hub, find }),
    list: () => [...records.values()].map(view).sort((a, b) => (a.name < b.name ? -1 : 1)),
    find: (name) => view(find(name)),
    history: (name) => readHistory(store.read, find(name).name),
    async setLabels(actor, name, wanted, precondition = whatever) {
      find(name);
      const labels = await store.transaction(async (tx) => {
        // What is committed, not what is in memory: another change may be on its way there.
        const before = await labelsOf(tx, name);
        precondition(before && { labels: before });
        const after = Object.fromEntries(
          Object.entries({ ...before, ...wanted }).flatMap(([key, value]) =>
            value === undefined ? [] : [[key, value]],
          ),
        );
        await updateServer(tx, name, { labels: after });
        await audit.append(tx, actor, {
          action: "servers:label",
          resource: `server/${name}`,
          detail: JSON.stringify(wanted),
        });
        return after;
      });
      hub.tell(name, { kind: "labels", labels });
      return view(change(name, { labels }));
    },
    async noteConnected(name, agentVersion, address) {
      const before = find(name);
      const part = { agentVersion, address, seenAt: clock.now() };
      const changes = [
        ...(before.agentVersion === agentVersion
          ? []
          : [`agent changed from ${before.agentVersion ?? "unknown"} to ${agentVersion}`]),
        ...(before.address === address
          ? []
          : [`address changed from ${before.address ?? "unknown"} to ${address}`]),
      ];
      await store.transaction(async (tx) => {
        await updateServer(tx, name, part);
        await addHistory(tx, name, clock.now(), changes);
      });
      live.delete(name);
      change(name, part);
    },
    noteVitals(name, vitals, clockAhead) {
      if (!records.has(name)) return;
      note(name, { vitals, ...(clockAhead !== undefined && { clockAhead }) });
      heard.set(name, clock.now());
      change(name, { seenAt: clock.now() });
    },
    noteHealth: (name, health) => note(name, { health }),
    noteIgnored: (name) => note(name, { ignored: (live.get(name)?.ignored ?? 0) + 1 }),
    async noteFacts(name, facts) {
      const before = find(name).facts;
      const part = { facts, factsAt: clock.now() };
      await store.transaction(async (tx) => {
        await updateServer(tx, name, part);
        if (before) await addHistory(tx, name, clock.now(), describeChanges(before, facts));
      });
      change(name, part);
    },
    async stop() {
      stopWriting();
      await hub.close(comeBackAfter);
      await writeSeen();
    },
  };
}
