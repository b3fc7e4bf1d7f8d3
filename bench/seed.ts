/** Fills a bastion's database by its own services, before it is started: machines that were seen, installs that wait. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Actor, anonymous } from "../src/access/service.ts";
import { createLocalGate } from "../src/http/testdata/local-gate.ts";
import { createMachines } from "../src/machines/service.ts";
import { createTemplates } from "../src/machines/templates.client.ts";
import { createManualClock } from "../src/platform/clock.ts";
import { silentLogger } from "../src/platform/logger.ts";
import { parseMac } from "../src/platform/mac.ts";
import { openStore } from "../src/store/database.ts";

/** An ED25519 key nobody has the other half of. */
const sshKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f bench";

export const macOf = (index: number) => parseMac(`525400${index.toString(16).padStart(6, "0")}`);

const inventory = (index: number) => {
  const mac = macOf(index);
  return {
    version: 1,
    mac,
    system: { vendor: "Bench", product: "Machine", serial: `S-${index}` },
    firmware: { mode: "bios" as const },
    architecture: "x86_64" as const,
    cpu: { model: "Xeon", threads: 8 },
    memory: { totalBytes: 16 * 2 ** 30 },
    disks: [{ name: "sda", serial: `D${index}`, model: "SSD", sizeBytes: 500e9 }],
    nics: [{ name: "eth0", mac }],
  };
};

export async function seedMachines(dataDir: string, count: number, queue: boolean): Promise<void> {
  mkdirSync(dataDir, { recursive: true });
  const store = openStore(join(dataDir, "labctl.sqlite"));
  const clock = createManualClock(Date.now() - 3_600_000);
  const actor: Actor = { principal: anonymous, from: "", requestId: "seed", startedAt: clock.now() };
  const { inventorySchema } = await import("../src/machines/inventory.ts");
  const machines = createMachines({
    store,
    clock,
    audit: createLocalGate(store, clock).audit,
    logger: silentLogger,
    bus: { publish() {} },
    templates: createTemplates("/nonexistent"),
    findImage: () => undefined,
    leasesOf: () => [],
    settings: {
      ...{ sshKeys: [sshKey], kernelArgs: "", timezone: "UTC", after: "wait" },
      mirrors: { fedora: "http://192.0.2.1/fedora" },
    },
  });
  // as many at once as share one commit, and slowly enough for the room's own limits
  for (let first = 0; first < count; first += 100) {
    const part = Array.from({ length: Math.min(100, count - first) }, (_, n) => first + n);
    await Promise.all(
      part.map((index) => machines.discovery.report(inventorySchema.parse(inventory(index)))),
    );
    if (queue) {
      await Promise.all(
        part.map((index) =>
          machines.installs.queue(
            actor,
            macOf(index),
            { name: `m${index}`, os: "fedora-42", role: "worker" },
            { replace: false },
          ),
        ),
      );
    }
    clock.advance(2000);
  }
  machines.close();
  await store.close();
}
