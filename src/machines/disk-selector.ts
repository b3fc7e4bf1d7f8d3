import { AppError } from "../platform/errors.ts";

/** What a disk must match to be chosen. All conditions hold together; `pick` settles between several. */
export interface DiskSelector {
  /** `/dev/sda`, `/dev/disk/by-id/…`. */
  path?: string;
  byId?: string;
  serial?: string;
  /** Part of the model's name, in any case. */
  model?: string;
  transport?: string;
  minBytes?: number;
  maxBytes?: number;
  pick: "only" | "largest" | "smallest";
}

const words = /^[\w.:+@-]{1,200}$/;
const model = /^[\w.:+@ -]{1,64}$/;
const devicePath = /^\/dev\/(?:[a-z][a-z0-9]{1,31}|disk\/by-(?:id|path|uuid)\/[\w.:+@-]{1,200})$/;
const units: Record<string, number> = { "": 1, K: 1e3, M: 1e6, G: 1e9, T: 1e12 };

const hint =
  "write largest, smallest, /dev/…, or rules joined by commas: by-id=…, serial=…, model=…, transport=nvme, size>=200G";

/**
 * Reads `largest`, `/dev/disk/by-id/…` or rules such as `model=SSD,size>=200G,smallest`. Sizes are decimal
 * (200G = 200·10⁹ bytes), as disks are sold.
 * @throws `invalid`, naming the rule.
 */
export function parseDiskSelector(text: string): DiskSelector {
  const selector: DiskSelector = { pick: "only" };
  for (const rule of text.split(",").map((part) => part.trim())) applyRule(selector, rule);
  return selector;
}

function applyRule(selector: DiskSelector, rule: string): void {
  const wrong = (what: string) =>
    new AppError("invalid", `disk rule '${rule.slice(0, 80)}' ${what}`, { hint });
  if (rule === "largest" || rule === "smallest" || rule === "only") {
    selector.pick = rule;
    return;
  }
  if (rule.startsWith("/")) {
    if (!devicePath.test(rule) || rule.includes("..")) throw wrong("is not the path of a disk");
    selector.path = rule;
    return;
  }
  const found = /^([a-z-]+)(=|>=|<=)(.*)$/.exec(rule);
  const [key, operator, value] = [found?.[1], found?.[2], found?.[3] ?? ""];
  if (key === "size") {
    const size = /^(\d{1,9}(?:\.\d{1,3})?)([KMGT]?)B?$/i.exec(value);
    const bytes = Math.floor(Number(size?.[1]) * (units[size?.[2]?.toUpperCase() ?? ""] ?? Number.NaN));
    if (!Number.isSafeInteger(bytes) || bytes <= 0) throw wrong("does not say a size such as 200G");
    if (operator === ">=" || operator === "=") selector.minBytes = bytes;
    if (operator === "<=" || operator === "=") selector.maxBytes = bytes;
    return;
  }
  if (operator !== "=") throw wrong("is not understood");
  if (!(key === "model" ? model : words).test(value)) throw wrong("has characters no disk's name has");
  if (key === "by-id") selector.byId = value;
  else if (key === "serial") selector.serial = value;
  else if (key === "model") selector.model = value;
  else if (key === "transport") selector.transport = value;
  else throw wrong("is not understood");
}

/** A disk as discovery reports it. */
export interface DiskFacts {
  /** Kernel name without `/dev/`. */
  name: string;
  byId?: readonly (string | undefined)[];
  /** Its place on its bus, as below `/dev/disk/by-path/`. */
  path?: string | undefined;
  sizeBytes?: number | undefined;
  model?: string | undefined;
  serial?: string | undefined;
  transport?: string | undefined;
  removable?: boolean | undefined;
  readOnly?: boolean | undefined;
}

export type DiskChoice<Facts> =
  | { kind: "chosen"; disk: Facts }
  | { kind: "none"; reason: string }
  | { kind: "several"; names: string[] };

/** What the installer will choose, told from the inventory; the installer itself decides again on the machine. */
export function chooseDisk<Facts extends DiskFacts>(
  selector: DiskSelector,
  disks: readonly Facts[],
  minimumBytes: number,
): DiskChoice<Facts> {
  const named = selector.path !== undefined || selector.byId !== undefined || selector.serial !== undefined;
  const matching = disks.filter((disk) => matches(selector, disk) && (named || disk.removable !== true));
  if (matching.length === 0) return { kind: "none", reason: "no disk of the machine matches" };
  const fitting = matching.filter((disk) => disk.readOnly !== true && (disk.sizeBytes ?? 0) >= minimumBytes);
  if (fitting.length === 0) {
    const gib = (minimumBytes / 2 ** 30).toFixed(1);
    return { kind: "none", reason: `no matching disk is writable and at least ${gib} GiB large` };
  }
  const [first, ...rest] = fitting.toSorted(
    (a, b) => (a.sizeBytes ?? 0) - (b.sizeBytes ?? 0) || (a.name < b.name ? -1 : 1),
  );
  if (first === undefined) return { kind: "none", reason: "no disk of the machine matches" };
  if (rest.length === 0 || selector.pick === "smallest") return { kind: "chosen", disk: first };
  if (selector.pick === "only") return { kind: "several", names: [first, ...rest].map((disk) => disk.name) };
  const largest = Math.max(...fitting.map((disk) => disk.sizeBytes ?? 0));
  // Of equals, the first by name: the shell on the machine settles it the same way.
  return { kind: "chosen", disk: [first, ...rest].find((disk) => disk.sizeBytes === largest) ?? first };
}

function matches(selector: DiskSelector, disk: DiskFacts): boolean {
  const links = [...(disk.byId ?? []).map((link) => link?.replace(/^\/dev\/disk\/by-id\//, ""))];
  const paths = [
    `/dev/${disk.name}`,
    `/dev/disk/by-path/${disk.path}`,
    ...links.map((link) => `/dev/disk/by-id/${link}`),
  ];
  const size = disk.sizeBytes ?? 0;
  return (
    (selector.path === undefined || paths.includes(selector.path)) &&
    (selector.byId === undefined || links.includes(selector.byId)) &&
    (selector.serial === undefined || disk.serial === selector.serial) &&
    (selector.model === undefined ||
      (disk.model ?? "").toLowerCase().includes(selector.model.toLowerCase())) &&
    (selector.transport === undefined || disk.transport === selector.transport) &&
    (selector.minBytes === undefined || size >= selector.minBytes) &&
    (selector.maxBytes === undefined || size <= selector.maxBytes)
  );
}
