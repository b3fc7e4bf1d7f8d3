import { expect } from "bun:test";
import { z } from "zod";
import { type LabBastion, startBastion } from "../lab/bastion.ts";
import type { Lab, MachineOptions } from "../lab/lab.ts";
import { labTest } from "../lab/lab-test.ts";
import type { Machine } from "../lab/machine.ts";
import { waitForState } from "../lab/watch.ts";

const minute = 60_000;

/** Powers a blank machine on and waits until the bastion knows what it is. */
async function discover(lab: Lab, bastion: LabBastion, options: MachineOptions, timeoutMs = 5 * minute) {
  const machine = await lab.addMachine(options);
  await machine.powerOn();
  await waitForState(bastion, machine, "discovered", { timeoutMs, say: lab.say });
  return machine;
}

/** What is certain about a virtual machine of the lab, whatever way it came. */
const shown = z.looseObject({
  inventory: z.looseObject({
    system: z.looseObject({ uuid: z.string(), serial: z.string(), product: z.string() }),
    firmware: z.looseObject({ mode: z.string(), secureBoot: z.string().optional() }),
    cpu: z.looseObject({ threads: z.number() }),
    memory: z.looseObject({ totalBytes: z.number() }),
    disks: z.array(z.looseObject({ serial: z.string().optional(), sizeBytes: z.number() })),
    nics: z.array(z.looseObject({ mac: z.string(), driver: z.string().optional() })),
  }),
});

async function expectInventory(bastion: LabBastion, machine: Machine, mode: "bios" | "uefi", driver: string) {
  const text = await bastion.cli(["provision", "show", machine.mac, "-o", "json"]);
  const { inventory } = shown.parse(JSON.parse(text));
  expect(inventory.system).toMatchObject({
    uuid: machine.uuid,
    serial: machine.serial,
    product: "Testbench",
  });
  expect(inventory.firmware.mode).toBe(mode);
  expect(inventory.cpu.threads).toBe(2);
  expect(inventory.memory.totalBytes).toBeGreaterThan(1.5 * 2 ** 30);
  expect(inventory.disks).toContainEqual(expect.objectContaining({ sizeBytes: 8 * 2 ** 30 }));
  expect(inventory.nics).toContainEqual(expect.objectContaining({ mac: machine.mac, driver }));
  return inventory;
}

labTest("a UEFI machine boots by PXE and is discovered", { minutes: 8 }, async (lab) => {
  const bastion = await startBastion(lab);
  const machine = await discover(lab, bastion, { name: "uefi", firmware: "uefi" });
  await expectInventory(bastion, machine, "uefi", "virtio_net");
  const record = await bastion.cli(["provision", "show", machine.mac, "--boot"]);
  // Each hand-over from firmware to loader to kernel is on the record.
  for (const step of [
    /DHCPDISCOVER/,
    /DHCPACK/,
    /ipxe\.efi/,
    /boot\.ipxe|dispatch/,
    /vmlinuz/,
    /initrd\.img/,
  ]) {
    expect(record).toMatch(step);
  }
});

labTest("a BIOS machine boots by PXE and is discovered", { minutes: 8 }, async (lab) => {
  const bastion = await startBastion(lab);
  const machine = await discover(lab, bastion, { name: "bios", firmware: "bios", nic: "e1000", bus: "sata" });
  const inventory = await expectInventory(bastion, machine, "bios", "e1000");
  expect(inventory.disks[0]?.serial).toBe("LAB1DISK0");
});
