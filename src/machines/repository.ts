import { and, asc, desc, eq, inArray, isNull, lt, notInArray, sql } from "drizzle-orm";
import { type Mac, parseMac } from "../platform/mac.ts";
import type { Queries } from "../store/database.ts";
import { installs, machineHistory, machineNics, machines } from "../store/schema/machines.ts";
import type { MachineBootOptions } from "./boot-order.ts";
import type { InstallSpec } from "./install-spec.ts";
import type { Machine, Summary } from "./machine.ts";
import type { MachineState, RestState } from "./model.ts";

type MachineRow = Omit<typeof machines.$inferSelect, "inventory"> & { spec: string | null };

/** Changes kept for each machine. */
const maxHistory = 200;

export interface HistoryEntry {
  at: number;
  what: string;
}

export function loadMachines(read: Queries): Machine[] {
  const nics = new Map<string, Mac[]>();
  for (const { mac, machine } of read.select().from(machineNics).all()) {
    nics.set(machine, [...(nics.get(machine) ?? []), parseMac(mac)]);
  }
  return read
    .select({ ...columns })
    .from(machines)
    .leftJoin(installs, eq(installs.id, machines.install))
    .all()
    .map((row) => toMachine(row, nics.get(row.mac) ?? []));
}

/** All but the inventory, and the current install. */
const columns = {
  spec: installs.spec,
  mac: machines.mac,
  name: machines.name,
  state: machines.state,
  stateSince: machines.stateSince,
  install: machines.install,
  stage: machines.stage,
  reason: machines.reason,
  heardAt: machines.heardAt,
  beforeQueued: machines.beforeQueued,
  firstSeenAt: machines.firstSeenAt,
  seenAt: machines.seenAt,
  uuid: machines.uuid,
  serial: machines.serial,
  summary: machines.summary,
  bootOptions: machines.bootOptions,
};

/** Of what each boot and each report asks. */
function statements(queries: Queries) {
  const { placeholder } = sql;
  const given = (name: string) => sql`${placeholder(name)}`;
  const its = eq(machines.mac, placeholder("mac"));
  return {
    machine: queries
      .select({ ...columns })
      .from(machines)
      .leftJoin(installs, eq(installs.id, machines.install))
      .where(its)
      .prepare(),
    nics: queries
      .select({ mac: machineNics.mac })
      .from(machineNics)
      .where(eq(machineNics.machine, placeholder("mac")))
      .prepare(),
    inventory: queries.select({ inventory: machines.inventory }).from(machines).where(its).prepare(),
    saveState: queries
      .update(machines)
      .set({
        name: given("name"),
        state: given("state"),
        stateSince: given("stateSince"),
        install: given("install"),
        stage: given("stage"),
        reason: given("reason"),
        heardAt: given("heardAt"),
        beforeQueued: given("beforeQueued"),
      })
      .where(its)
      .prepare(),
  };
}

/** The machine as the transaction sees it: what to decide on. */
export function findMachine(tx: Queries, mac: Mac): Machine | undefined {
  const { machine, nics } = tx.prepared(statements);
  const row = machine.get({ mac });
  if (row === undefined) return undefined;
  return toMachine(
    row,
    nics.all({ mac }).map((nic) => parseMac(nic.mac)),
  );
}

export function findByName(tx: Queries, name: string): Mac | undefined {
  const row = tx.select({ mac: machines.mac }).from(machines).where(eq(machines.name, name)).get();
  return row && parseMac(row.mac);
}

export function insertMachine(tx: Queries, machine: Machine, inventory: string | undefined): void {
  tx.insert(machines)
    .values({ mac: machine.mac, ...toRow(machine), inventory: inventory ?? null })
    .run();
  saveNics(tx, machine);
}

/** Stores what a discovery changes. */
export function saveDiscovery(tx: Queries, machine: Machine, inventory: string): void {
  const { seenAt, uuid, serial, summary } = toRow(machine);
  tx.update(machines)
    .set({ seenAt, uuid, serial, summary, inventory })
    .where(eq(machines.mac, machine.mac))
    .run();
  saveNics(tx, machine);
}

/** Each card belongs to one machine: those another one has already are not taken from it. */
function saveNics(tx: Queries, { mac, nics }: Machine): void {
  tx.delete(machineNics)
    .where(and(eq(machineNics.machine, mac), notInArray(machineNics.mac, [...nics])))
    .run();
  tx.insert(machineNics)
    .values(nics.map((nic) => ({ mac: nic, machine: mac })))
    .onConflictDoNothing()
    .run();
}

/** Which of `nics` belong to other machines than `mac`. */
export function nicsOfOthers(tx: Queries, mac: Mac, nics: readonly Mac[]): Set<string> {
  const rows = tx
    .select()
    .from(machineNics)
    .where(inArray(machineNics.mac, [...nics]))
    .all();
  return new Set(rows.filter(({ machine }) => machine !== mac).map((row) => row.mac));
}

export function saveState(tx: Queries, mac: Mac, state: MachineState, name: string | undefined): void {
  tx.prepared(statements).saveState.run({ mac, name: name ?? null, ...stateColumns(state) });
}

export function saveBootOptions(tx: Queries, mac: Mac, options: MachineBootOptions): void {
  tx.update(machines)
    .set({ bootOptions: JSON.stringify(options) })
    .where(eq(machines.mac, mac))
    .run();
}

export function deleteMachine(tx: Queries, mac: Mac): void {
  tx.delete(machines).where(eq(machines.mac, mac)).run();
}

export function readInventory(read: Queries, mac: Mac): string | undefined {
  return read.prepared(statements).inventory.get({ mac })?.inventory ?? undefined;
}

/** The machine that was only ever discovered and not heard of for the longest time. */
export function oldestDiscovered(tx: Queries): Mac | undefined {
  const row = tx
    .select({ mac: machines.mac })
    .from(machines)
    .where(and(eq(machines.state, "discovered"), isNull(machines.bootOptions)))
    .orderBy(asc(machines.seenAt))
    .limit(1)
    .get();
  return row && parseMac(row.mac);
}

export function appendHistory(tx: Queries, mac: Mac, at: number, what: readonly string[]): void {
  if (what.length === 0) return;
  tx.insert(machineHistory)
    .values(what.map((each) => ({ machine: mac, at, what: each })))
    .run();
  const oldest = tx
    .select({ id: machineHistory.id })
    .from(machineHistory)
    .where(eq(machineHistory.machine, mac))
    .orderBy(desc(machineHistory.id))
    .limit(1)
    .offset(maxHistory)
    .get();
  if (oldest) {
    tx.delete(machineHistory)
      .where(and(eq(machineHistory.machine, mac), lt(machineHistory.id, oldest.id + 1)))
      .run();
  }
}

/** Newest first. */
export function readHistory(read: Queries, mac: Mac): HistoryEntry[] {
  return read
    .select({ at: machineHistory.at, what: machineHistory.what })
    .from(machineHistory)
    .where(eq(machineHistory.machine, mac))
    .orderBy(desc(machineHistory.id))
    .all();
}

function toRow(machine: Machine) {
  return {
    ...stateColumns(machine.state),
    name: machine.name ?? null,
    firstSeenAt: machine.firstSeenAt,
    seenAt: machine.seenAt,
    uuid: machine.uuid ?? null,
    serial: machine.serial ?? null,
    summary: machine.summary === undefined ? null : JSON.stringify(machine.summary),
    bootOptions: machine.bootOptions === undefined ? null : JSON.stringify(machine.bootOptions),
  };
}

function stateColumns(state: MachineState) {
  return {
    state: state.kind,
    stateSince: state.since,
    install: "installId" in state ? state.installId : null,
    stage: ("stage" in state ? state.stage : undefined) ?? null,
    reason: state.kind === "failed" ? state.reason : null,
    heardAt: "heardAt" in state ? state.heardAt : null,
    beforeQueued: state.kind === "queued" ? JSON.stringify(state.before) : null,
  };
}

function toMachine(row: MachineRow, nics: readonly Mac[]): Machine {
  const mac = parseMac(row.mac);
  return {
    mac,
    nics: nics.includes(mac) ? nics : [mac, ...nics],
    state: toState(row),
    firstSeenAt: row.firstSeenAt,
    seenAt: row.seenAt,
    ...(row.name !== null && { name: row.name }),
    // checked: written by insertInstall from a parsed spec
    ...(row.spec !== null && { role: (JSON.parse(row.spec) as InstallSpec).role }),
    ...(row.uuid !== null && { uuid: row.uuid }),
    ...(row.serial !== null && { serial: row.serial }),
    // checked: written by toRow
    ...(row.summary !== null && { summary: JSON.parse(row.summary) as Summary }),
    // checked: written by toRow and saveBootOptions
    ...(row.bootOptions !== null && { bootOptions: JSON.parse(row.bootOptions) as MachineBootOptions }),
  };
}

function toState(row: MachineRow): MachineState {
  const since = row.stateSince;
  const installId = row.install ?? "";
  const stage = row.stage === null ? {} : { stage: row.stage };
  const heardAt = row.heardAt ?? since;
  switch (row.state) {
    case "queued": {
      // checked: written by stateColumns; rows of an older version have none
      const before = JSON.parse(row.beforeQueued ?? "null") as RestState | null;
      return { kind: "queued", since, installId, before: before ?? { kind: "discovered", since } };
    }
    case "installed":
      return { kind: "installed", since, installId };
    case "installing":
    case "stalled":
      return { kind: row.state, since, installId, heardAt, ...stage };
    case "failed":
      return { kind: "failed", since, installId, reason: row.reason ?? "", ...stage };
    default:
      return { kind: "discovered", since };
  }
}
