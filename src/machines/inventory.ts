import { z } from "zod";
import { readMac } from "../platform/mac.ts";
import { decodeLldpFrame, type LldpNeighbour } from "../protocols/lldp/lldp.ts";

/** The largest discovery report read at all; a machine with 500 PCI functions posts under 100 KiB. */
export const inventoryMaxBytes = 512 * 1024;

// A report is made by shell on whatever firmware there is, and every string in it may be garbage.
// One field that cannot be read is dropped; it never costs the rest of the report.

/** What vendors leave in SMBIOS when nobody filled the field in. */
const placeholder =
  /^(to be filled.*|default string|not specified|not available|not provided|unspecified|none|n\/a|o\.?e\.?m\.?|system (manufacturer|product name|serial number|version)|chassis serial number|unknown|empty|no dimm|0+|x+)$/i;

function readText(value: unknown, limit: number): string | undefined {
  if (typeof value !== "string" && typeof value !== "number") return undefined;
  let clean = "";
  for (const char of String(value).slice(0, limit)) {
    clean += char < " " || (char >= "\u007f" && char < "\u00a0") || char === "\ufffd" ? " " : char;
  }
  const text = clean.replaceAll(/ {2,}/g, " ").trim();
  return text === "" || placeholder.test(text) ? undefined : text;
}

function readCount(value: unknown): number | undefined {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

const lenient = <Out>(read: (value: unknown) => Out | undefined) => z.unknown().transform(read).optional();

/** A line of text: control characters out, placeholders and blanks absent, cut at 256 characters. */
const text = lenient((value) => readText(value, 256));
const count = lenient(readCount);
const flag = lenient((value) => (typeof value === "boolean" ? value : undefined));
const mac = lenient((value) => (typeof value === "string" ? readMac(value) : undefined));
const oneOf = <const Values extends readonly string[]>(...values: Values) =>
  lenient((value): Values[number] | undefined => values.find((known) => known === value));

/** At most `limit` items; those that cannot be read are left out. */
const list = <Item extends z.ZodType>(item: Item, limit: number) =>
  z
    .unknown()
    .transform((value): z.output<Item>[] => {
      if (!Array.isArray(value)) return [];
      return value.slice(0, limit).flatMap((entry) => {
        const read = item.safeParse(entry);
        return read.success && read.data !== undefined ? [read.data] : [];
      });
    })
    .prefault([]);

/** An object of which every field may be absent; absent or not an object becomes an empty one. */
const part = <Shape extends z.ZodRawShape>(shape: Shape) => {
  const object = z.object(shape);
  return z.preprocess((value) => (isRecord(value) ? value : {}), object);
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const word = z.string().transform((value) => readText(value, 64));
const name = z
  .string()
  .transform((value) => readText(value, 256))
  .pipe(z.string());

const systemSchema = part({
  vendor: text,
  product: text,
  version: text,
  serial: text,
  uuid: lenient((value) =>
    typeof value === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)
      ? value.toLowerCase()
      : undefined,
  ),
  chassis: text,
  boardVendor: text,
  boardProduct: text,
  boardSerial: text,
  assetTag: text,
});

const firmwareSchema = part({
  mode: oneOf("bios", "uefi"),
  vendor: text,
  version: text,
  date: text,
  secureBoot: oneOf("enabled", "disabled", "setup", "unsupported"),
});

const cpuSchema = part({
  model: text,
  vendor: text,
  sockets: count,
  /** In all sockets together. */
  cores: count,
  threads: count,
  maxMhz: count,
  flags: list(word, 256),
});

const dimmSchema = z.object({
  locator: text,
  sizeBytes: count,
  type: text,
  speedMtps: count,
  manufacturer: text,
  part: text,
  serial: text,
});

const memorySchema = part({ totalBytes: count, dimms: list(dimmSchema, 256) });

const smartSchema = z.object({
  health: oneOf("passed", "failed"),
  temperatureCelsius: count,
  powerOnHours: count,
  /** Of the rated endurance; may pass 100. */
  percentUsed: count,
  mediaErrors: count,
  reallocatedSectors: count,
});

const diskSchema = z.object({
  /** Kernel name without `/dev/`. */
  name,
  byId: list(name, 16),
  path: text,
  sizeBytes: count,
  logicalSectorBytes: count,
  physicalSectorBytes: count,
  model: text,
  vendor: text,
  serial: text,
  wwn: text,
  firmware: text,
  rotational: flag,
  removable: flag,
  readOnly: flag,
  transport: text,
  partitionTable: text,
  smart: smartSchema.optional().catch(undefined),
});

const filesystemSchema = z.object({
  /** Kernel name without `/dev/`. */
  device: name,
  type: text,
  label: text,
  uuid: text,
  sizeBytes: count,
  partitionLabel: text,
  partitionType: text,
});

const lvmSchema = part({
  physicalVolumes: list(z.object({ device: name, group: text, sizeBytes: count }), 128),
  groups: list(z.object({ name, sizeBytes: count, freeBytes: count }), 128),
  volumes: list(z.object({ name, group: text, sizeBytes: count }), 512),
});

const raidSchema = z.object({ name, level: text, state: text, sizeBytes: count, members: list(word, 64) });

function readNeighbour(frameHex: unknown): LldpNeighbour | undefined {
  if (typeof frameHex !== "string" || frameHex.length > 4096 || !/^([0-9a-f]{2})+$/i.test(frameHex))
    return undefined;
  const frame = new Uint8Array(frameHex.length / 2);
  for (let at = 0; at < frame.length; at++)
    frame[at] = Number.parseInt(frameHex.slice(at * 2, at * 2 + 2), 16);
  const result = decodeLldpFrame(frame);
  return result.kind === "neighbour" ? result.neighbour : undefined;
}

const neighbourSchema = z.object({
  chassisId: text,
  portId: text,
  portDescription: text,
  systemName: text,
  systemDescription: text,
  managementAddress: text,
  portVlan: count,
  ttlSeconds: count,
});

const nicSchema = z
  .object({
    name,
    mac,
    driver: text,
    /** Negotiated; absent without link. */
    speedMbps: count,
    link: flag,
    /** PCI or USB address on its bus. */
    bus: text,
    vendor: text,
    model: text,
    firmware: text,
    /** The frame as it came, hexadecimal from the destination address on; read here, kept decoded. */
    lldpFrame: z.unknown().transform(readNeighbour).optional(),
    lldp: neighbourSchema.optional().catch(undefined),
  })
  .transform(({ lldpFrame, lldp, ...nic }) => ({ ...nic, lldp: lldpFrame ?? lldp }));

const pciSchema = z.object({
  slot: name,
  /** Six hexadecimal digits: class, subclass, programming interface. */
  classCode: text,
  className: text,
  vendorId: text,
  deviceId: text,
  vendor: text,
  device: text,
  driver: text,
});

const tpmSchema = part({ present: flag, version: text, vendor: text });

const bmcSchema = part({
  address: text,
  mac,
  /** `dhcp`, `static`, … */
  source: text,
  version: text,
});

/** The body of `POST /api/discover`. Only `version` and `mac` must be right; the rest is read as far as it goes. */
export const inventorySchema = z.object({
  version: z.literal(1),
  source: oneOf("ram", "fedora"),
  /** The interface it booted from: who the machine is to the bastion. */
  mac: z.string().transform((value, context) => {
    const read = readMac(value);
    if (read === undefined) {
      context.addIssue({ code: "custom", message: "must be the MAC address the machine booted from" });
      return z.NEVER;
    }
    return read;
  }),
  kernel: text,
  architecture: text,
  /** `none` on bare metal, else as systemd-detect-virt names it. */
  virtualization: text,
  system: systemSchema,
  firmware: firmwareSchema,
  cpu: cpuSchema,
  memory: memorySchema,
  disks: list(diskSchema, 256),
  filesystems: list(filesystemSchema, 1024),
  lvm: lvmSchema,
  raids: list(raidSchema, 64),
  nics: list(nicSchema, 128),
  pci: list(pciSchema, 1024),
  tpm: tpmSchema,
  bmc: bmcSchema,
  /** What could not be read and why, in the collector's words. */
  notes: list(name, 64),
});

export type Inventory = z.output<typeof inventorySchema>;
export type Disk = Inventory["disks"][number];
export type Nic = Inventory["nics"][number];

/** PCI base class 03: display controllers, or 12: processing accelerators. */
export const gpusOf = (inventory: Inventory): Inventory["pci"] =>
  inventory.pci.filter(({ classCode }) => classCode?.startsWith("03") || classCode?.startsWith("12"));
