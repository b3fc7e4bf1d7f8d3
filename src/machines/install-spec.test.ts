import { expect, test } from "bun:test";
import fc from "fast-check";
import { chooseDisk, parseDiskSelector } from "./disk-selector.ts";
import { parseInstallSpec } from "./install-spec.ts";
import { minimumDiskBytes, roleNames, roles } from "./roles.ts";
import { readSshKey } from "./ssh-key.ts";

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBxLmXk5Hq0G0yIuJ1mE0m1n5bS1Yb0m0QvJcS2cT0aB admin@lab";
const base = { name: "n1", os: "debian-12", sshKeys: [key] };
const refused = (changes: Record<string, unknown>, why: string | RegExp) =>
  expect(() => parseInstallSpec({ ...base, ...changes })).toThrow(why);

test("what is left out gets its default", () => {
  expect(parseInstallSpec(base)).toEqual({
    ...base,
    role: "plain",
    users: [],
    network: { kind: "dhcp" },
    wipe: false,
  });
});

test("each field refuses what it cannot be, and is named", () => {
  refused({ name: "a b" }, "'name' must be a host name");
  refused({ name: "-a" }, "'name'");
  refused({ name: "localhost" }, "'name'");
  refused({ name: "a".repeat(64) }, "'name'");
  refused({ os: "debain-12" }, "did you mean 'debian-12'");
  refused({ os: "image:../x" }, "'os'");
  refused({ role: "boss" }, "'role'");
  refused({ disk: "/dev/../etc/passwd" }, "'disk'");
  refused({ sshKeys: ["nonsense"] }, "'sshKeys.0'");
  refused({ users: [{ name: "root" }] }, "'users.0.name'");
  refused({ users: [{ name: "x", passwordHash: "secret" }] }, "crypt hash");
  refused({ network: { kind: "static", address: "10.0.0.5" } }, "'network.address'");
  refused({ surprise: 1 }, /surprise/);
});

test("a machine nobody could log in to is refused", () => {
  refused({ sshKeys: [] }, "nobody could log in to n1");
  expect(
    parseInstallSpec({ ...base, sshKeys: [], users: [{ name: "ops", sshKeys: [key] }] }).users,
  ).toHaveLength(1);
});

test("no name with a character of its own meaning passes", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."ab1-.$`'\"\\;&|<>{}\n\t /é") }), (name) => {
      if (/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(name) && !/^\d+$/.test(name)) return;
      expect(() => parseInstallSpec({ ...base, name })).toThrow("'name'");
    }),
  );
});

test("a key is whole, of the type it says, and one line", () => {
  expect(readSshKey(`  ${key}  `)).toEqual({ kind: "key", key });
  for (const [text, why] of [
    [key.replace("ssh-ed25519 ", "ssh-rsa "), "no ssh-rsa key"],
    [`${key}\n${key}`, "more than one line"],
    [`command="x" ${key}`, "key type"],
    ["-----BEGIN OPENSSH PRIVATE KEY-----", "private key"],
    ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA", "cut short"],
    ["ssh-ed25519 AAA$", "base64"],
    [`${key}\u0007`, "printable"],
  ] as const) {
    const read = readSshKey(text);
    expect(read.kind === "refused" ? read.reason : "").toContain(why);
  }
});

const disks = [
  {
    name: "sda",
    sizeBytes: 500e9,
    model: "Samsung SSD 870",
    serial: "S1",
    transport: "sata",
    byId: ["ata-S1"],
    path: "pci-0000:00:17.0-ata-1",
  },
  { name: "sdb", sizeBytes: 4000e9, model: "WDC RED", serial: "W1", transport: "sata", byId: ["ata-W1"] },
  { name: "sdc", sizeBytes: 32e9, model: "Stick", serial: "U1", transport: "usb", removable: true, byId: [] },
  {
    name: "nvme0n1",
    sizeBytes: 500e9,
    model: "Samsung 980",
    serial: "N1",
    transport: "nvme",
    byId: ["nvme-N1"],
  },
];
const choose = (rule: string, minimum = 8e9) => {
  const choice = chooseDisk(parseDiskSelector(rule), disks, minimum);
  return choice.kind === "chosen"
    ? choice.disk.name
    : choice.kind === "several"
      ? choice.names
      : choice.reason;
};

test("a rule chooses one disk, or says why not", () => {
  expect(choose("largest")).toBe("sdb");
  expect(choose("smallest")).toBe("nvme0n1");
  expect(choose("only")).toEqual(["nvme0n1", "sda", "sdb"]);
  expect(choose("serial=S1")).toBe("sda");
  expect(choose("by-id=ata-W1")).toBe("sdb");
  expect(choose("/dev/disk/by-id/nvme-N1")).toBe("nvme0n1");
  expect(choose("/dev/disk/by-path/pci-0000:00:17.0-ata-1")).toBe("sda");
  expect(choose("model=samsung")).toEqual(["nvme0n1", "sda"]);
  expect(choose("model=samsung,transport=sata")).toBe("sda");
  expect(choose("size>=1T")).toBe("sdb");
  expect(choose("size<=100G")).toContain("no disk");
  expect(choose("serial=U1", 64e9)).toContain("at least 59.6 GiB");
  expect(choose("/dev/sdc")).toBe("sdc");
});

test("a rule that is not understood is named", () => {
  for (const rule of [
    "",
    "biggest",
    "size>200G",
    "size>=lots",
    "model=$(x)",
    "serial=a;b",
    "/dev/",
    "/etc/passwd",
    "colour=red",
  ]) {
    expect(() => parseDiskSelector(rule)).toThrow("disk rule");
  }
});

test("every role fits an 8 GB disk, and says when one is too small", () => {
  for (const name of roleNames) expect(minimumDiskBytes(roles[name])).toBeLessThan(8e9);
  expect(
    chooseDisk(parseDiskSelector("only"), [{ name: "vda", sizeBytes: 2e9 }], minimumDiskBytes(roles.worker))
      .kind,
  ).toBe("none");
});

test("a disk holds an image whole, and the role's data volume behind it", () => {
  const image = 20 * 2 ** 30;
  expect(minimumDiskBytes(roles.plain, image)).toBe(image);
  expect(minimumDiskBytes(roles.worker, image)).toBeGreaterThan(image + 1024 * 2 ** 20);
  expect(minimumDiskBytes(roles.worker, 2 ** 30)).toBe(minimumDiskBytes(roles.worker));
});
