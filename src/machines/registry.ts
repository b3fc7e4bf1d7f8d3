import type { Mac } from "../platform/mac.ts";
import type { Machine } from "./machine.ts";

/** Every machine, in memory, for what is asked on each packet and each boot. Changed only after a commit. */
export interface Registry {
  /** By any of its network cards. */
  byMac(mac: Mac): Machine | undefined;
  byName(name: string): Machine | undefined;
  byUuid(uuid: string): readonly Machine[];
  all(): IterableIterator<Machine>;
  readonly size: number;
  /** Adds it, or replaces the one of the same `mac`. */
  put(machine: Machine): void;
  remove(mac: Mac): void;
}

export function createRegistry(machines: Iterable<Machine>): Registry {
  const kept = new Map<Mac, Machine>();
  const owners = new Map<Mac, Machine>();
  const names = new Map<string, Machine>();
  const uuids = new Map<string, Machine[]>();

  function remove(mac: Mac): void {
    const machine = kept.get(mac);
    if (machine === undefined) return;
    kept.delete(mac);
    for (const nic of machine.nics) if (owners.get(nic) === machine) owners.delete(nic);
    if (machine.name !== undefined && names.get(machine.name) === machine) names.delete(machine.name);
    if (machine.uuid === undefined) return;
    const others = (uuids.get(machine.uuid) ?? []).filter((other) => other !== machine);
    if (others.length > 0) uuids.set(machine.uuid, others);
    else uuids.delete(machine.uuid);
  }

  function put(machine: Machine): void {
    remove(machine.mac);
    kept.set(machine.mac, machine);
    for (const nic of machine.nics) owners.set(nic, machine);
    if (machine.name !== undefined) names.set(machine.name, machine);
    if (machine.uuid !== undefined) uuids.set(machine.uuid, [...(uuids.get(machine.uuid) ?? []), machine]);
  }

  for (const machine of machines) put(machine);
  return {
    byMac: (mac) => owners.get(mac),
    byName: (name) => names.get(name),
    byUuid: (uuid) => uuids.get(uuid) ?? [],
    all: () => kept.values(),
    get size() {
      return kept.size;
    },
    put,
    remove,
  };
}
