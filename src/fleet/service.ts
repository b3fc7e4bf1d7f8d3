import { z } from "zod";
import type { Actor, AuditLog, Authority, JoinScope, TokenService } from "../access/service.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import type { Store } from "../store/database.ts";
import { createHub, type Hub } from "./hub.ts";
import type { Vitals } from "./protocol.ts";
import {
  loadServers,
  removeServer,
  type ServerRecord,
  saveSeen,
  saveServer,
  updateServer,
} from "./server-repository.ts";

export type { CommandHandle, Exit, Hub, Reader, Work } from "./hub.ts";

/** What an enrolled host may be called. */
export const serverName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/, "must be a host name in lower case");

export interface EnrolRequest {
  token: string;
  csr: string;
  hostname: string;
  macs: string[];
  agentVersion: string;
  address: string;
}

export interface Enrolled {
  name: string;
  certificate: string;
  authorities: string;
}

export interface Server extends ServerRecord {
  state: "connected" | "disconnected";
  vitals?: Vitals;
}

/** Hosts that enrolled: who they are, how they are, what runs on them. */
export interface Fleet {
  readonly hub: Hub;
  list(): Server[];
  /** @throws `not-found`. */
  find(name: string): Server;
  /** Uses the token and certifies the host's key, in one transaction. @throws `unauthenticated`, `conflict`, `invalid`. */
  enrol(actor: Actor, request: EnrolRequest): Promise<Enrolled>;
  /** A new certificate for a host that has one. */
  renew(actor: Actor, name: string, csr: string): Promise<Enrolled>;
  /** Takes its certificates back and closes its connection. */
  revoke(actor: Actor, name: string, because: string): Promise<void>;
  /** As `revoke`, and forgets the host. */
  remove(actor: Actor, name: string): Promise<void>;
  setLabels(actor: Actor, name: string, change: Record<string, string | undefined>): Promise<Server>;
  noteConnected(name: string, agentVersion: string, address: string): Promise<void>;
  noteVitals(name: string, vitals: Vitals): void;
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

export async function createFleet({
  store,
  clock,
  audit,
  authority,
  tokens,
  newId,
}: FleetDeps): Promise<Fleet> {
  const hub = createHub(clock, newId);
  const records = new Map((await loadServers(store.read)).map((record) => [record.name, record]));
  const vitals = new Map<string, Vitals>();
  const heard = new Map<string, number>();

  async function writeSeen(): Promise<void> {
    if (heard.size === 0) return;
    const batch = new Map(heard);
    heard.clear();
    await store.transaction((tx) => saveSeen(tx, batch));
  }
  const stopWriting = clock.every(seenInterval, () => void writeSeen().catch(() => {}));

  const view = (record: ServerRecord): Server => {
    const now = vitals.get(record.name);
    const connected = hub.connected(record.name);
    return {
      ...record,
      state: connected ? "connected" : "disconnected",
      ...(connected && now && { vitals: now }),
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

  function nameFor(scope: JoinScope, hostname: string): string {
    const name = serverName.safeParse(scope.name ?? hostname.toLowerCase());
    if (name.success) return name.data;
    throw new AppError(
      "invalid",
      `'${hostname.slice(0, 80)}' cannot be a server's name: it ${name.error.issues[0]?.message}`,
      {
        hint: "set the host's name, or make a join token with --name",
      },
    );
  }

  async function takeBack(actor: Actor, name: string, because: string, forget: boolean): Promise<void> {
    find(name);
    const fingerprints = await store.transaction(async (tx) => {
      const revoked = await authority.revoke(tx, "agent", name, because);
      if (forget) await removeServer(tx, name);
      await audit.append(tx, actor, {
        action: forget ? "servers:delete" : "agents:revoke",
        resource: `server/${name}`,
        detail: because,
      });
      return revoked;
    });
    hub.cut(new Set(fingerprints), `its certificate was revoked: ${because}`);
    if (forget) records.delete(name);
  }

  return {
    hub,
    list: () => [...records.values()].map(view).sort((a, b) => (a.name < b.name ? -1 : 1)),
    find: (name) => view(find(name)),
    async enrol(actor, request) {
      const join = store.transaction(async (tx) => {
        const token = await tokens.use(tx, "join", request.token);
        const { scope } = token;
        if (scope.mac !== undefined && !request.macs.includes(scope.mac)) {
          throw new AppError("unauthenticated", "this token is for another machine", {
            hint: `it is bound to ${scope.mac}; this host has ${request.macs.join(", ").slice(0, 200)}`,
          });
        }
        const name = nameFor(scope, request.hostname);
        // A token that names the host may replace it: that is a reinstall. Any other may not take a name that is in use.
        if (records.has(name) && scope.name === undefined) {
          throw new AppError("conflict", `there is a server '${name}' already`, {
            hint: `labctl agent remove ${name}, or make a join token with --name ${name}`,
          });
        }
        const replaced = await authority.revoke(tx, "agent", name, "the host enrolled again");
        const issued = await authority.issue(tx, request.csr, { holder: "agent", name });
        const record: ServerRecord = {
          name,
          labels: { ...records.get(name)?.labels, ...scope.labels },
          macs: request.macs,
          enrolledAt: clock.now(),
          agentVersion: request.agentVersion,
          address: request.address,
        };
        await saveServer(tx, record);
        await audit.append(tx, actor, {
          action: "agents:enrol",
          resource: `server/${name}`,
          detail: `token/${token.id}`,
        });
        return { record, issued, replaced };
      });
      const { record, issued, replaced } = await join.catch(async (error: unknown) => {
        const resource = `server/${request.hostname}`;
        await audit.record(actor, {
          action: "agents:enrol",
          resource,
          result: "refused",
          detail: toAppError(error).message,
        });
        throw error;
      });
      records.set(record.name, record);
      hub.cut(new Set(replaced), "the host enrolled again");
      return { name: record.name, certificate: issued.pem, authorities: authority.bundle() };
    },
    async renew(actor, name, csr) {
      find(name);
      const issued = await store.transaction(async (tx) => {
        const certificate = await authority.issue(tx, csr, { holder: "agent", name });
        await audit.append(tx, actor, { action: "agents:renew", resource: `server/${name}` });
        return certificate;
      });
      return { name, certificate: issued.pem, authorities: authority.bundle() };
    },
    revoke: (actor, name, because) => takeBack(actor, name, because, false),
    remove: (actor, name) => takeBack(actor, name, "the server was removed", true),
    async setLabels(actor, name, wanted) {
      const labels = Object.fromEntries(
        Object.entries({ ...find(name).labels, ...wanted }).flatMap(([key, value]) =>
          value === undefined ? [] : [[key, value]],
        ),
      );
      await store.transaction(async (tx) => {
        await updateServer(tx, name, { labels });
        await audit.append(tx, actor, {
          action: "servers:label",
          resource: `server/${name}`,
          detail: JSON.stringify(wanted),
        });
      });
      return view(change(name, { labels }));
    },
    async noteConnected(name, agentVersion, address) {
      const part = { agentVersion, address, seenAt: clock.now() };
      await store.transaction((tx) => updateServer(tx, name, part));
      change(name, part);
    },
    noteVitals(name, now) {
      if (!records.has(name)) return;
      vitals.set(name, now);
      heard.set(name, clock.now());
      change(name, { seenAt: clock.now() });
    },
    async noteFacts(name, facts) {
      const part = { facts, factsAt: clock.now() };
      await store.transaction((tx) => updateServer(tx, name, part));
      change(name, part);
    },
    async stop() {
      stopWriting();
      hub.close(2000);
      await writeSeen();
    },
  };
}
