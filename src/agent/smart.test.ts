import { expect, test } from "bun:test";
import { join } from "node:path";
import { parseSmart } from "./smart.ts";

/** What smartctl 7.3 said of QEMU's disks. */
const said = (disk: string) => Bun.file(join(import.meta.dir, "testdata", `smart-${disk}.json`)).text();

test("an ATA disk: its verdict, age, heat and the sectors it gave up", async () => {
  expect(parseSmart(await said("ata"))).toEqual({
    model: "LAB-DISK",
    passed: true,
    temperature: 31,
    hours: 1,
    reallocated: 0,
  });
});

test("an NVMe disk: its wear and the errors of its medium", async () => {
  expect(parseSmart(await said("nvme"))).toEqual({
    model: "QEMU NVMe Ctrl",
    passed: true,
    temperature: 50,
    hours: 0,
    worn: 0,
    errors: 0,
  });
});

test("a disk smartctl cannot read says why, and what is no document is said to be none", () => {
  const unsupported = { smartctl: { messages: [{ string: "/dev/vda: Unable to detect device type" }] } };
  expect(parseSmart(JSON.stringify(unsupported))).toEqual({
    problem: "/dev/vda: Unable to detect device type",
  });
  expect(parseSmart("sudo: a password is required").problem).toContain("did not answer");
});
