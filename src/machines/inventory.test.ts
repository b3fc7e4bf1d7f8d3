import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import fc from "fast-check";
import { gpusOf, inventorySchema } from "./inventory.ts";

const mac = "52:54:00:12:34:56";
const read = (report: unknown) => inventorySchema.parse(report);

describe("inventorySchema", () => {
  test("accepts a report that says nothing but who it is", () => {
    const inventory = read({ version: 1, mac: mac.toUpperCase() });
    expect(String(inventory.mac)).toBe(mac);
    expect(inventory.disks).toEqual([]);
    expect(inventory.system.serial).toBeUndefined();
  });

  test("reads what a virtual machine reported", async () => {
    const sample = await Bun.file(join(import.meta.dir, "testdata/report-q35.json")).json();
    const inventory = read(sample);
    expect(inventory.firmware).toMatchObject({ mode: "bios", vendor: "SeaBIOS", secureBoot: "unsupported" });
    expect(
      inventory.disks.map(({ name, model, serial, transport }) => [name, model, serial, transport]),
    ).toEqual([
      ["nvme0n1", "QEMU NVMe Ctrl", "nv01", "nvme"],
      ["vda", undefined, undefined, "virtio"],
    ]);
    expect(inventory.disks[0]?.smart).toMatchObject({ health: "passed", percentUsed: 0 });
    expect(inventory.nics).toMatchObject([{ driver: "e1000", speedMbps: 1000, link: true }]);
    expect(inventory.pci).toHaveLength(sample.pci.length);
  });

  test("refuses a report without a MAC address, naming the field", () => {
    for (const report of [{ version: 1 }, { version: 1, mac: "eth0" }, { version: 1, mac: 7 }]) {
      expect(inventorySchema.safeParse(report).error?.issues[0]?.path).toEqual(["mac"]);
    }
  });

  test("drops one unreadable field and keeps the rest", () => {
    const inventory = read({
      version: 1,
      mac,
      cpu: { model: "Xeon", cores: "8", threads: -1, flags: ["vmx", 3] },
      disks: [{ name: "sda", sizeBytes: "500107862016", smart: "no" }, { model: "has no name" }, null],
      nics: "none",
    });
    expect(inventory.cpu).toMatchObject({ model: "Xeon", cores: 8, flags: ["vmx"] });
    expect(inventory.cpu.threads).toBeUndefined();
    expect(inventory.disks.map((disk) => [disk.name, disk.sizeBytes])).toEqual([["sda", 500107862016]]);
    expect(inventory.nics).toEqual([]);
  });

  test("a disk's name below by-id is kept whole: the install looks for it on the machine", () => {
    // As udev makes it for an NVMe disk without an EUI: vendor, serial number and model in hexadecimal.
    const byId = `nvme-nvme.144d-${"53".repeat(20)}-${"20".repeat(40)}-00000001`;
    const { disks } = read({ version: 1, mac, disks: [{ name: "nvme0n1", byId: [byId] }] });
    expect(disks[0]?.byId).toEqual([byId]);
  });

  test("what a vendor left unfilled is absent, and escape codes are blanks", () => {
    const { system } = read({
      version: 1,
      mac,
      system: { vendor: "To Be Filled By O.E.M.", product: "\u001b[31mX11 \u0000 ", serial: "0000000000" },
    });
    expect(system).toEqual({ product: "[31mX11" });
  });

  test("is bounded: long strings are cut, long lists end", () => {
    const { system, pci } = read({
      version: 1,
      mac,
      system: { product: "a".repeat(100_000) },
      pci: Array.from({ length: 5000 }, (_, slot) => ({ slot: String(slot + 1) })),
    });
    expect(system.product).toHaveLength(256);
    expect(pci).toHaveLength(1024);
  });

  test("decodes the LLDP frame of a NIC, and keeps it when read again", () => {
    const lldpFrame = "0180c200000e00112233445588cc0207040011223344550403057037060200780000";
    const inventory = read({ version: 1, mac, nics: [{ name: "eth0", mac, lldpFrame }] });
    expect(inventory.nics[0]?.lldp).toMatchObject({ chassisId: "00:11:22:33:44:55", portId: "p7" });
    expect(read(JSON.parse(JSON.stringify(inventory)))).toEqual(inventory);
  });

  test("no report makes it throw, and reading twice changes nothing", () => {
    const junk = fc.anything({ maxDepth: 3 });
    const report = fc.record({ system: junk, disks: fc.array(junk), nics: junk, cpu: junk, notes: junk });
    fc.assert(
      fc.property(report, (fields) => {
        const once = inventorySchema.safeParse({ version: 1, mac, ...fields });
        expect(once.success).toBe(true);
        const stored = JSON.parse(JSON.stringify(once.data));
        expect(JSON.parse(JSON.stringify(read(stored)))).toEqual(stored);
      }),
    );
  });
});

test("gpusOf: display controllers and accelerators, nothing else", () => {
  const slots = ["030000", "120000", "020000"].map((classCode, slot) => ({
    slot: `00:0${slot}.0`,
    classCode,
  }));
  expect(gpusOf(read({ version: 1, mac, pci: slots })).map(({ classCode }) => classCode)).toEqual([
    "030000",
    "120000",
  ]);
});
