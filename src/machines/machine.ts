import type { Mac } from "../platform/mac.ts";
import type { MachineBootOptions } from "./boot-order.ts";
import { gpusOf, type Inventory } from "./inventory.ts";
import type { MachineState } from "./model.ts";

/** A machine as it is kept in memory: without its inventory, which is large and seldom asked for. */
export interface Machine {
  /** The one it is kept under: the card it was first seen with. */
  mac: Mac;
  /** All its network cards, `mac` among them. */
  nics: readonly Mac[];
  name?: string;
  /** What its current install makes of it. */
  role?: string;
  /** The bastion elsewhere that it is a machine of. */
  bastion?: string;
  state: MachineState;
  /** Milliseconds since the epoch, as all times here. */
  firstSeenAt: number;
  seenAt: number;
  uuid?: string;
  serial?: string;
  /** Absent until it was discovered. */
  summary?: Summary;
  bootOptions?: MachineBootOptions;
}

/** What rights and selectors may be bound to. */
export const labelsOf = ({ role, bastion }: Pick<Machine, "role" | "bastion">): Record<string, string> => ({
  ...(role !== undefined && { role }),
  ...(bastion !== undefined && { bastion }),
});

/** What a list of machines shows of an inventory. */
export interface Summary {
  vendor?: string | undefined;
  product?: string | undefined;
  cpu?: string | undefined;
  threads?: number | undefined;
  memoryBytes?: number | undefined;
  disks: { name: string; sizeBytes?: number | undefined }[];
  /** No partition table, filesystem or volume on any disk. */
  emptyDisks: boolean;
  gpus: number;
  firmware?: "bios" | "uefi" | undefined;
  virtualization?: string | undefined;
}

export function summarize(inventory: Inventory): Summary {
  const { system, cpu, memory, disks, filesystems, lvm, raids, firmware } = inventory;
  return {
    vendor: system.vendor,
    product: system.product,
    cpu: cpu.model,
    threads: cpu.threads,
    memoryBytes: memory.totalBytes,
    disks: disks.map(({ name, sizeBytes }) => ({ name, sizeBytes })),
    emptyDisks:
      disks.every(({ partitionTable }) => partitionTable === undefined) &&
      filesystems.length + lvm.physicalVolumes.length + raids.length === 0,
    gpus: gpusOf(inventory).length,
    firmware: firmware.mode,
    virtualization: inventory.virtualization,
  };
}

/** The MACs a machine may be recognised by: those of its report, the one it booted from first. */
export function macsOf(inventory: Inventory, maxNics = 64): Mac[] {
  const macs = new Set([inventory.mac]);
  for (const { mac } of inventory.nics) if (mac !== undefined && usable(mac)) macs.add(mac);
  return [...macs].slice(0, maxNics);
}

/** Neither all zeros nor a group address (IEEE 802: lowest bit of the first byte). */
const usable = (mac: Mac) => mac !== "00:00:00:00:00:00" && (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0;

/**
 * The record a discovery report belongs to: by the card it booted from, by another of its cards, or, for
 * a machine whose cards were all exchanged, by its UUID and serial number. `undefined`: it is new.
 */
export function recognise(
  inventory: Inventory,
  byMac: (mac: Mac) => Machine | undefined,
  byUuid: (uuid: string) => readonly Machine[],
): Machine | undefined {
  for (const mac of macsOf(inventory)) {
    const found = byMac(mac);
    if (found) return found;
  }
  const { uuid, serial } = inventory.system;
  if (uuid === undefined || serial === undefined) return undefined;
  // Whoever waits for an install is never taken for another machine on its own word.
  const same = byUuid(uuid).filter(
    (machine) =>
      machine.serial === serial && machine.state.kind !== "queued" && machine.state.kind !== "installing",
  );
  return same.length === 1 ? same[0] : undefined;
}
