import { type Disk, gpusOf, type Inventory, type Nic } from "./inventory.ts";

/** Sentences of one comparison; a machine whose cards were all swapped is not worth more. */
const maxSentences = 40;

/** What changed on a machine between two discoveries, as sentences for people. Unreadable is not a change. */
export function describeChanges(before: Inventory, after: Inventory): string[] {
  return [
    ...valueChanges(before, after),
    ...memoryChanges(before.memory.totalBytes, after.memory.totalBytes),
    ...dimmChanges(before, after),
    ...diskChanges(before.disks, after.disks),
    ...nicChanges(before.nics, after.nics),
    ...setChanges("GPU", gpuNames(before), gpuNames(after)),
  ].slice(0, maxSentences);
}

function valueChanges(before: Inventory, after: Inventory): string[] {
  const of = (inventory: Inventory): [string, string | number | undefined][] => [
    ["vendor", inventory.system.vendor],
    ["product", inventory.system.product],
    ["serial number", inventory.system.serial],
    ["UUID", inventory.system.uuid],
    ["firmware version", inventory.firmware.version],
    ["boot mode", inventory.firmware.mode],
    ["Secure Boot", inventory.firmware.secureBoot],
    ["CPU model", inventory.cpu.model],
    ["CPU sockets", inventory.cpu.sockets],
    ["CPU cores", inventory.cpu.cores],
    ["CPU threads", inventory.cpu.threads],
    ["BMC address", inventory.bmc.address],
    ["TPM version", inventory.tpm.version],
  ];
  const now = new Map(of(after));
  return of(before).flatMap(([what, old]) => {
    const value = now.get(what);
    return old === undefined || value === undefined || old === value
      ? []
      : [`${what} changed from ${old} to ${value}`];
  });
}

function memoryChanges(before: number | undefined, after: number | undefined): string[] {
  if (before === undefined || after === undefined || before === 0) return [];
  const ratio = after / before;
  // The kernel's own share moves by a little with each version.
  if (Math.abs(ratio - 1) < 0.02) return [];
  const sizes = `${gib(before)} → ${gib(after)}`;
  if (Math.abs(ratio - 0.5) < 0.03) return [`memory halved: ${sizes}`];
  if (Math.abs(ratio - 2) < 0.1) return [`memory doubled: ${sizes}`];
  return [`memory ${ratio < 1 ? "shrank" : "grew"}: ${sizes}`];
}

function dimmChanges(before: Inventory, after: Inventory): string[] {
  const names = ({ memory }: Inventory) =>
    new Map(
      memory.dimms.flatMap(({ locator, sizeBytes, serial }): [string, string][] =>
        locator === undefined || !sizeBytes
          ? []
          : [[`${locator}/${serial ?? ""}`, `${locator} (${gib(sizeBytes)})`]],
      ),
    );
  return setChanges("memory module", names(before), names(after));
}

/** What stays with a disk when its kernel name changes. */
const diskKey = (disk: Disk) => disk.wwn ?? disk.serial ?? disk.byId[0] ?? disk.name;

function diskChanges(before: readonly Disk[], after: readonly Disk[]): string[] {
  const old = new Map(before.map((disk) => [diskKey(disk), disk]));
  const now = new Map(after.map((disk) => [diskKey(disk), disk]));
  const lasting = [...now].flatMap(([key, disk]): string[] => {
    const was = old.get(key);
    if (was === undefined) return [];
    const changes: string[] = [];
    if (was.sizeBytes !== undefined && disk.sizeBytes !== undefined && was.sizeBytes !== disk.sizeBytes) {
      changes.push(`disk ${diskName(disk)} was ${decimal(was.sizeBytes)} before`);
    }
    if (was.smart?.health !== "failed" && disk.smart?.health === "failed") {
      changes.push(`disk ${diskName(disk)} reports that it is failing (SMART)`);
    }
    return changes;
  });
  return [...setChanges("disk", names(old, diskName), names(now, diskName)), ...lasting];
}

const diskName = ({ name, model, serial, sizeBytes }: Disk) =>
  [
    name,
    `(${[model, serial, sizeBytes && decimal(sizeBytes)].filter(Boolean).join(", ") || "nothing known"})`,
  ].join(" ");

function nicChanges(before: readonly Nic[], after: readonly Nic[]): string[] {
  const byMac = (nics: readonly Nic[]) => new Map(nics.map((nic) => [nic.mac ?? nic.name, nic]));
  const [old, now] = [byMac(before), byMac(after)];
  const moved = [...now].flatMap(([key, nic]) => {
    const was = old.get(key)?.lldp;
    const is = nic.lldp;
    if (!was || !is || (was.systemName === is.systemName && was.portId === is.portId)) return [];
    const port = (at: typeof is) =>
      `${at.systemName ?? at.chassisId ?? "a switch"} ${at.portId ?? ""}`.trim();
    return [`network card ${nicName(nic)} moved from ${port(was)} to ${port(is)}`];
  });
  return [...setChanges("network card", names(old, nicName), names(now, nicName)), ...moved];
}

const nicName = ({ name, mac, driver }: Nic) =>
  `${name} (${[mac, driver].filter(Boolean).join(", ") || "nothing known"})`;

const gpuNames = (inventory: Inventory) =>
  new Map(
    gpusOf(inventory).map((gpu): [string, string] => [
      gpu.slot,
      `${gpu.slot} (${[gpu.vendor ?? gpu.vendorId, gpu.device ?? gpu.deviceId].filter(Boolean).join(" ")})`,
    ]),
  );

const names = <Item>(items: ReadonlyMap<string, Item>, name: (item: Item) => string) =>
  new Map([...items].map(([key, item]): [string, string] => [key, name(item)]));

function setChanges(
  what: string,
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): string[] {
  return [
    ...[...before].filter(([key]) => !after.has(key)).map(([, name]) => `${what} ${name} is gone`),
    ...[...after].filter(([key]) => !before.has(key)).map(([, name]) => `${what} ${name} is new`),
  ];
}

/** Memory is sold in powers of two, disks in powers of ten. */
const gib = (bytes: number) => `${Math.round((bytes / 2 ** 30) * 10) / 10} GiB`;
const decimal = (bytes: number) =>
  bytes >= 1e12 ? `${Math.round(bytes / 1e11) / 10} TB` : `${Math.round(bytes / 1e8) / 10} GB`;
