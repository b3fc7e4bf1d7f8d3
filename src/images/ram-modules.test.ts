import { expect, test } from "bun:test";
import { chooseModules, readModule } from "./ram-modules.ts";

const module = (path: string, info: Record<string, string[]> = {}) =>
  readModule(path, new Map(Object.entries(info)));
const all = [
  module("drivers/net/ethernet/intel/igb/igb.ko", { depends: ["dca,i2c-algo-bit"] }),
  module("drivers/dca/dca.ko"),
  module("drivers/i2c/algos/i2c-algo-bit.ko"),
  module("drivers/net/wireless/iwlwifi.ko"),
  module("fs/xfs/xfs.ko", { softdep: ["pre: crc32c"], depends: [""] }),
  module("lib/crc32c.ko"),
  module("drivers/ata/pata_via.ko"),
  module("drivers/ata/ahci.ko", { firmware: ["a/b.bin", "c.bin"] }),
];
const paths = (wanted: string[], without: string[] = []) =>
  chooseModules(all, wanted, without).map(({ path }) => path);

test("readModule: names as the kernel compares them, every firmware file", () => {
  expect(all[0]).toMatchObject({ name: "igb", depends: ["dca", "i2c_algo_bit"] });
  expect(all[7]?.firmware).toEqual(["a/b.bin", "c.bin"]);
});

test("chooseModules: what is wanted, with hard and soft dependencies, sorted by path", () => {
  expect(paths(["drivers/net/ethernet/", "fs/xfs/xfs.ko"])).toEqual([
    "drivers/dca/dca.ko",
    "drivers/i2c/algos/i2c-algo-bit.ko",
    "drivers/net/ethernet/intel/igb/igb.ko",
    "fs/xfs/xfs.ko",
    "lib/crc32c.ko",
  ]);
});

test("chooseModules: an exception takes away, but never a dependency", () => {
  expect(paths(["drivers/ata/"], ["drivers/ata/pata_*"])).toEqual(["drivers/ata/ahci.ko"]);
  expect(paths(["drivers/net/ethernet/"], ["drivers/dca/"])).toContain("drivers/dca/dca.ko");
});
