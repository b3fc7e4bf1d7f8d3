import type { Clock } from "../platform/clock.ts";
import { type Mac, readMac } from "../platform/mac.ts";
import type { Queries, Store } from "../store/database.ts";
import { formatLogEvents, formatStageEvent } from "./event-stream.ts";
import type { MachineFact } from "./fact.ts";
import { createFeed } from "./feed.ts";
import { presentable, type StoredLine } from "./log-line.ts";
import { ringLines } from "./log-repository.ts";
import type { InstallLogs } from "./log-service.ts";
import type { Machine } from "./machine.ts";
import {
  addLost,
  deleteAllRemote,
  deleteRemote,
  eventsAfter,
  insertEvent,
  loadRemote,
  type RemoteEvent,
  type RemoteRecord,
  saveRemote,
  trimLines,
} from "./remote-repository.ts";
import { foldStages } from "./stage.ts";

/** What storing a fact changed; shown to others once its transaction is through. */
type Change =
  | { kind: "machine"; record: RemoteRecord }
  | { kind: "forgotten" | "lost"; mac: Mac; lines: number }
  | { kind: "event"; event: RemoteEvent };

/** Machines of bastions elsewhere: read here, ordered about there. */
export interface RemoteMachines {
  list(): Machine[];
  /** By MAC or name; `node1@rack1` where several bastions have one. `undefined` also where that leaves several. */
  known(word: string): Machine | undefined;
  installOf(machine: Machine): RemoteRecord["install"];
  readonly logs: Pick<InstallLogs, "view" | "stagesOf" | "follow">;
  /** Stores facts in their order, within the transaction that remembers how far they go. */
  store(tx: Queries, bastion: string, facts: readonly MachineFact[]): Change[];
  /** After the commit. */
  settle(bastion: string, changes: readonly Change[]): void;
  /** The bastion tells everything anew, or is gone: what it told is forgotten. */
  forget(tx: Queries, bastion: string): void;
  settleForgotten(bastion: string): void;
  close(): void;
}

/** Facts between two looks at what the ring holds too many of. */
const trimEvery = 256;
const readAhead = 50;

export function createRemoteMachines(store: Store, clock: Clock): RemoteMachines {
  const records = new Map<string, RemoteRecord>();
  const feed = createFeed<string>(clock);
  const keyOf = (bastion: string, mac: Mac) => `${mac} ${bastion}`;
  for (const record of loadRemote(store.read)) records.set(keyOf(record.bastion, record.machine.mac), record);

  const toMachine = ({ machine, bastion }: RemoteRecord): Machine => ({ ...machine, bastion });
  const recordOf = ({ mac, bastion = "" }: Machine) => records.get(keyOf(bastion, mac));
  const installIdOf = ({ state }: Machine) => ("installId" in state ? state.installId : undefined);
  const eventsOf = ({ mac, bastion = "" }: Machine, after: number, limit: number) =>
    eventsAfter(store.read, bastion, mac, after, limit);
  const stagesOf = (machine: Machine) =>
    foldStages(
      eventsOf(machine, 0, maxEvents).flatMap((event) =>
        event.kind === "stage" && event.installId === installIdOf(machine) ? [event] : [],
      ),
    );

  function apply(tx: Queries, bastion: string, fact: MachineFact): Change[] {
    const { mac } = fact;
    switch (fact.kind) {
      case "machine":
        return [{ kind: "machine", record: saveRemote(tx, bastion, mac, fact.record) }];
      case "forgotten":
        deleteRemote(tx, bastion, mac);
        return [{ kind: "forgotten", mac, lines: 0 }];
      case "lost":
        addLost(tx, bastion, mac, fact.lines);
        return [{ kind: "lost", mac, lines: fact.lines }];
      case "stage":
      case "lines": {
        if (!insertEvent(tx, bastion, fact)) return [];
        const count = fact.kind === "lines" ? fact.lines.length : 0;
        const turn = Math.floor(fact.event / trimEvery) !== Math.floor((fact.event + count) / trimEvery);
        if (turn) trimLines(tx, bastion, mac);
        return [{ kind: "event", event: fact }];
      }
    }
  }

  function show(bastion: string, change: Change): void {
    switch (change.kind) {
      case "machine": {
        const key = keyOf(bastion, change.record.machine.mac);
        records.set(key, change.record);
        feed.state(key, toMachine(change.record), false);
        return;
      }
      case "forgotten": {
        const key = keyOf(bastion, change.mac);
        const record = records.get(key);
        records.delete(key);
        if (record) feed.state(key, toMachine(record), true);
        return;
      }
      case "lost": {
        const record = records.get(keyOf(bastion, change.mac));
        if (record) record.lost += change.lines;
        return;
      }
      case "event": {
        const { event } = change;
        const key = keyOf(bastion, event.mac);
        if (event.kind === "stage") feed.stage(key, event);
        else feed.lines(key, { ...event, lines: storedLines(event) });
        return;
      }
    }
  }

  function readOn(machine: Machine, after: number, withLines: boolean) {
    const found = eventsOf(machine, after, readAhead);
    const last = found.at(-1);
    if (last === undefined) return undefined;
    const text = found
      .filter(({ installId }) => installId === installIdOf(machine))
      .map((event) => {
        if (event.kind === "stage") return formatStageEvent(event);
        const skip = Math.max(0, after + 1 - event.event);
        const lines = storedLines(event).slice(skip);
        return withLines ? formatLogEvents({ event: event.event + skip, at: event.at, lines }) : "";
      })
      .join("");
    return { text, event: lastOf(last) };
  }

  return {
    list: () => [...records.values()].map(toMachine),
    known(word) {
      const [name = "", bastion] = word.split("@", 2);
      const mac = readMac(name);
      const found = [...records.values()].filter(
        ({ machine, bastion: own }) =>
          (mac === undefined ? machine.name === name : machine.nics.includes(mac)) &&
          (bastion === undefined || bastion === own),
      );
      return found.length === 1 && found[0] ? toMachine(found[0]) : undefined;
    },
    installOf: (machine) => recordOf(machine)?.install,
    logs: {
      stagesOf,
      view(machine) {
        const installId = installIdOf(machine);
        const lines = eventsOf(machine, 0, maxEvents).flatMap((event) =>
          event.kind === "lines" && event.installId === installId
            ? storedLines(event).map(([seq, text, source]) => ({
                seq,
                at: event.at,
                text: presentable(text),
                source,
              }))
            : [],
        );
        return {
          installId,
          stages: stagesOf(machine),
          lines: lines.slice(-ringLines).sort((a, b) => a.seq - b.seq),
          total: lines.length,
          gaps: [],
          lost: recordOf(machine)?.lost ?? 0,
        };
      },
      follow(machine, after, lines) {
        const { mac, bastion = "" } = machine;
        const now = () => records.get(keyOf(bastion, mac));
        return feed.follow(
          keyOf(bastion, mac),
          { after, lines },
          {
            readOn: (event) => {
              const record = now();
              return record && readOn(toMachine(record), event, lines);
            },
            machine: () => {
              const record = now();
              return record && toMachine(record);
            },
          },
        );
      },
    },
    store: (tx, bastion, facts) => facts.flatMap((fact) => apply(tx, bastion, fact)),
    settle(bastion, changes) {
      for (const change of changes) show(bastion, change);
    },
    forget: (tx, bastion) => deleteAllRemote(tx, bastion),
    settleForgotten(bastion) {
      for (const [key, record] of records) {
        if (record.bastion !== bastion) continue;
        records.delete(key);
        feed.state(key, toMachine(record), true);
      }
    },
    close: () => feed.close(),
  };
}

/** More than the ring and all stages an install may report. */
const maxEvents = ringLines + 1000;

const lastOf = (event: RemoteEvent) =>
  event.kind === "lines" ? event.event + event.lines.length - 1 : event.event;

const storedLines = ({ lines }: Extract<RemoteEvent, { kind: "lines" }>): StoredLine[] =>
  lines.map(([seq, text, source]) => (source === undefined ? [seq, text] : [seq, text, source]));
