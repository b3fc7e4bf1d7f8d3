import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import type { Mac } from "../platform/mac.ts";
import type { Queries, Store } from "../store/database.ts";
import type { MachineBus } from "./events.ts";
import type { Journal } from "./fact.ts";
import { type Inventory, inventorySchema } from "./inventory.ts";
import { describeChanges } from "./inventory-diff.ts";
import { type Machine, macsOf, recognise, summarize } from "./machine.ts";
import { decide } from "./model.ts";
import { createRateLimit } from "./rate-limit.ts";
import { recordOf } from "./record.ts";
import type { Registry } from "./registry.ts";
import {
  appendHistory,
  deleteMachine,
  findMachine,
  insertMachine,
  nicsOfOthers,
  oldestDiscovered,
  readInventory,
  saveDiscovery,
} from "./repository.ts";

export interface Discovered {
  machine: Machine;
  first: boolean;
  /** What differs from the discovery before, as sentences. */
  changes: string[];
}

export interface Discovery {
  /** Resolves once the record is durable. @throws `too-many`. */
  report(inventory: Inventory): Promise<Discovered>;
  inventoryOf(mac: Mac): Inventory | undefined;
}

/** A machine discovers itself once a boot; a network of liars does it all day. */
const perMachine = { burst: 6, perSecond: 0.1 };
const newMachines = { burst: 2000, perSecond: 100 };

export function createDiscovery({
  store,
  clock,
  logger,
  registry,
  bus,
  journal,
  maxMachines = 20_000,
}: {
  store: Store;
  clock: Clock;
  logger: Logger;
  registry: Registry;
  bus: MachineBus;
  journal: Journal | undefined;
  /** Beyond it, the machine that was only discovered and is longest unseen makes room. */
  maxMachines?: number;
}): Discovery {
  const reports = createRateLimit(perMachine);
  const arrivals = createRateLimit(newMachines);

  function inventoryOf(read: Queries, mac: Mac): Inventory | undefined {
    const text = readInventory(read, mac);
    // Read again with today's schema: it may have been written by an older version.
    return text === undefined ? undefined : inventorySchema.safeParse(JSON.parse(text)).data;
  }

  function update(tx: Queries, known: Machine, inventory: Inventory, now: number): Discovered {
    const before = inventoryOf(tx, known.mac);
    const machine = describe(known, inventory, now);
    const others = nicsOfOthers(tx, known.mac, machine.nics);
    const own = { ...machine, nics: machine.nics.filter((nic) => !others.has(nic)) };
    const changes = before === undefined ? [] : describeChanges(before, inventory);
    if (!known.nics.includes(inventory.mac)) {
      changes.push(`it booted from ${inventory.mac}, a network card not seen on it before`);
    }
    saveDiscovery(tx, own, JSON.stringify(inventory));
    appendHistory(tx, own.mac, now, before === undefined ? ["discovered"] : changes);
    return { machine: own, first: false, changes };
  }

  function insert(tx: Queries, inventory: Inventory, now: number): Discovered & { evicted?: Mac } {
    const decision = decide(undefined, { kind: "discovered" }, now);
    if (decision.kind !== "next" || decision.state === undefined) {
      throw new AppError("internal", "an unknown machine could not be recorded");
    }
    const { mac } = inventory;
    const blank: Machine = { mac, nics: [mac], state: decision.state, firstSeenAt: now, seenAt: now };
    const machine = describe(blank, inventory, now);
    const others = nicsOfOthers(tx, mac, machine.nics);
    const own = { ...machine, nics: machine.nics.filter((nic) => !others.has(nic)) };
    let evicted: Mac | undefined;
    if (registry.size >= maxMachines) {
      evicted = oldestDiscovered(tx);
      if (evicted === undefined) {
        throw new AppError("too-many", `${maxMachines} machines are known, and none may be forgotten`, {
          hint: "forget some: labctl provision forget",
        });
      }
      deleteMachine(tx, evicted);
      journal?.(tx, { kind: "forgotten", mac: evicted });
    }
    insertMachine(tx, own, JSON.stringify(inventory));
    appendHistory(tx, mac, now, ["discovered"]);
    return { machine: own, first: true, changes: [], ...(evicted === undefined ? {} : { evicted }) };
  }

  return {
    async report(inventory) {
      const now = clock.now();
      const recognised = recognise(inventory, registry.byMac, registry.byUuid);
      const allowed =
        reports.take(recognised?.mac ?? inventory.mac, 1, now) &&
        (recognised !== undefined || arrivals.take("", 1, now));
      if (!allowed) {
        throw new AppError("too-many", `${inventory.mac} reports itself too often`, {
          hint: "it will be taken again in a minute",
        });
      }
      const result: Discovered & { evicted?: Mac } = await store.transaction((tx) => {
        // What memory says may be older than what this transaction sees.
        const known = findMachine(tx, recognised?.mac ?? inventory.mac);
        const found = known ? update(tx, known, inventory, now) : insert(tx, inventory, now);
        journal?.(tx, { kind: "machine", mac: found.machine.mac, record: recordOf(tx, found.machine) });
        return found;
      });
      const { machine, first, changes, evicted } = result;
      if (evicted !== undefined) {
        registry.remove(evicted);
        logger.warn("too many machines: the longest unseen was forgotten", { mac: evicted });
      }
      registry.put(machine);
      bus.publish("machine.discovered", { mac: machine.mac, at: now, first });
      if (changes.length > 0) bus.publish("machine.changed", { mac: machine.mac, at: now, changes });
      logger.info(first ? "machine discovered" : "machine discovered again", {
        mac: machine.mac,
        product: machine.summary?.product,
        changes: changes.length,
      });
      return { machine, first, changes };
    },
    inventoryOf: (mac) => inventoryOf(store.read, mac),
  };
}

/** The machine with what a report says about it. */
function describe(machine: Machine, inventory: Inventory, now: number): Machine {
  const { uuid, serial } = inventory.system;
  return {
    ...machine,
    nics: [machine.mac, ...macsOf(inventory).filter((nic) => nic !== machine.mac)],
    seenAt: now,
    summary: summarize(inventory),
    ...(uuid === undefined ? {} : { uuid }),
    ...(serial === undefined ? {} : { serial }),
  };
}
