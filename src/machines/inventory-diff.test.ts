import { expect, test } from "bun:test";
import { inventorySchema } from "./inventory.ts";
import { describeChanges } from "./inventory-diff.ts";

const base = {
  version: 1,
  mac: "52:54:00:00:00:01",
  system: { vendor: "Dell", product: "R640", serial: "ABC" },
  firmware: { mode: "uefi", version: "2.1" },
  cpu: { model: "Xeon", cores: 16 },
  memory: {
    totalBytes: 64 * 2 ** 30,
    dimms: [
      { locator: "A1", sizeBytes: 32 * 2 ** 30 },
      { locator: "A2", sizeBytes: 32 * 2 ** 30 },
    ],
  },
  disks: [
    { name: "sda", serial: "S1", model: "SSD", sizeBytes: 480e9, byId: [] },
    { name: "sdb", serial: "S2", model: "HDD", sizeBytes: 4e12, byId: [] },
  ],
  nics: [{ name: "eno1", mac: "52:54:00:00:00:01", driver: "ixgbe" }],
};
const changes = (after: Partial<typeof base>, before: Partial<typeof base> = {}) =>
  describeChanges(
    inventorySchema.parse({ ...base, ...before }),
    inventorySchema.parse({ ...base, ...after }),
  );

test("the same machine has not changed", () => expect(changes({})).toEqual([]));

test("a disk that is gone is told, one that only changed its kernel name is not", () => {
  expect(
    changes({ disks: [{ name: "sdz", serial: "S1", model: "SSD", sizeBytes: 480e9, byId: [] }] }),
  ).toEqual(["disk sdb (HDD, S2, 4 TB) is gone"]);
});

test("memory halved is told with the module that is gone", () => {
  const memory = { totalBytes: 32 * 2 ** 30, dimms: [{ locator: "A1", sizeBytes: 32 * 2 ** 30 }] };
  expect(changes({ memory })).toEqual([
    "memory halved: 64 GiB → 32 GiB",
    "memory module A2 (32 GiB) is gone",
  ]);
});

test("a kernel that keeps a little more memory for itself is no change", () => {
  expect(changes({ memory: { ...base.memory, totalBytes: 63.5 * 2 ** 30 } })).toEqual([]);
});

test("what can no longer be read is no change", () => {
  expect(changes({ cpu: {} as typeof base.cpu, system: {} as typeof base.system })).toEqual([]);
});

test("new cards, new firmware and another boot mode are told", () => {
  const nics = [...base.nics, { name: "eno2", mac: "52:54:00:00:00:02", driver: "ixgbe" }];
  expect(changes({ nics, firmware: { mode: "bios", version: "2.2" } })).toEqual([
    "firmware version changed from 2.1 to 2.2",
    "boot mode changed from uefi to bios",
    "network card eno2 (52:54:00:00:00:02, ixgbe) is new",
  ]);
});
