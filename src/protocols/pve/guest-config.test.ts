import { expect, test } from "bun:test";
import { guestConfig, parseDisk, parseNet } from "./guest-config.ts";

test("a configuration's fields are typed and nothing of the rest is lost", () => {
  const found = guestConfig.parse({
    name: 101,
    memory: "current=128",
    cores: "2",
    onboot: "1",
    tags: "a;b",
    agent: "enabled=1,fstrim_cloned_disks=1",
    scsi0: "local:9000/base-9000-disk-0.qcow2/101/vm-101-disk-0.qcow2,size=1G",
    ide2: "none,media=cdrom",
    net0: "virtio=BC:24:11:76:A4:3B,bridge=vmbr0,tag=7",
    unused0: "store2:101/vm-101-disk-0.qcow2",
    digest: "x",
    "brand-new": { deep: true },
  });
  expect(found).toMatchObject({
    name: "101",
    memoryMib: 128,
    cores: 2,
    onboot: true,
    tags: ["a", "b"],
    agent: true,
  });
  expect(found.disks.scsi0).toMatchObject({ storage: "local", options: { size: "1G" }, isCdrom: false });
  expect(found.disks.ide2).toMatchObject({ volume: "none", storage: undefined, isCdrom: true });
  expect(found.nets.net0).toMatchObject({ model: "virtio", mac: "bc:24:11:76:a4:3b", bridge: "vmbr0" });
  expect(Object.keys(found.unused)).toEqual(["unused0"]);
  expect(found.rest).toEqual({ "brand-new": { deep: true } });
});

test("the guest agent is on or off in each of its spellings", () => {
  const agent = (value: unknown) => guestConfig.parse({ agent: value }).agent;
  expect([1, "1", "1,type=virtio", "enabled=1"].map(agent)).toEqual([true, true, true, true]);
  expect([0, "0", "enabled=0", undefined].map(agent)).toEqual([false, false, false, false]);
});

test("disks and cards of containers are read as well", () => {
  expect(parseDisk("volume=local:200/vm-200-disk-0.raw,size=1G")).toMatchObject({
    storage: "local",
    options: { size: "1G" },
  });
  expect(parseNet("name=eth0,bridge=vmbr0,hwaddr=BC:24:11:9D:86:4E,type=veth")).toMatchObject({
    mac: "bc:24:11:9d:86:4e",
    bridge: "vmbr0",
  });
});
