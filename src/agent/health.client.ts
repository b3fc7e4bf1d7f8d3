import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Health } from "../fleet/protocol.ts";
import { operationCommand, type Privilege } from "./host-operations.ts";
import { parseSmart } from "./smart.ts";

const run = promisify(execFile);
const patience = 30_000;
const maxDisks = 64;
const maxSensors = 64;

/** What each disk says of its own health, asked through the fixed list of host operations. */
export async function readDisks(privilege: Privilege): Promise<Health["disks"]> {
  if (!existsSync("/usr/sbin/smartctl")) {
    return { items: [], missing: "smartctl is not here: install smartmontools" };
  }
  const items: Health["disks"]["items"] = [];
  const names = list("/sys/block").filter((name) => /^(sd[a-z]+|nvme\d+n\d+)$/.test(name));
  for (const name of names.slice(0, maxDisks)) {
    const device = `/dev/${name}`;
    const [program = "", ...args] = operationCommand({ name: "read-smart", device }, privilege).argv;
    // Its exit code is a bit field of findings; the document on stdout says the same in words.
    const stdout = await run(program, args, { timeout: patience, maxBuffer: 4 << 20 }).then(
      (done) => done.stdout,
      (error: { stdout?: string }) => error.stdout ?? "",
    );
    items.push({ device, ...parseSmart(stdout) });
  }
  return { items };
}

/** Temperatures, fans and power as the kernel's drivers offer them (hwmon); no program and no rights needed. */
export function readSensors(directory = "/sys/class/hwmon"): Health["sensors"] {
  const items = list(directory).flatMap((chip) => {
    const at = join(directory, chip);
    const name = text(join(at, "name")) ?? chip;
    return list(at).flatMap((file) => {
      const [, base, kind = ""] = /^((temp|fan|power)\d+)_(?:input|average)$/.exec(file) ?? [];
      const raw = base === undefined ? undefined : text(join(at, file));
      if (base === undefined || raw === undefined || !/^-?\d+$/.test(raw)) return [];
      const unit = units[kind];
      if (unit === undefined) return [];
      const label = text(join(at, `${base}_label`));
      return [
        {
          name: (label === undefined ? `${name} ${base}` : `${name} ${label}`).slice(0, 80),
          value: Number(raw) / unit.divisor,
          unit: unit.name,
        },
      ];
    });
  });
  return items.length > 0
    ? { items: items.slice(0, maxSensors) }
    : { items, missing: "the kernel offers no sensor here" };
}

/** Kernel documentation, hwmon/sysfs-interface: thousandths of a degree, turns a minute, millionths of a watt. */
const units: Record<string, { name: "°C" | "rpm" | "W"; divisor: number }> = {
  temp: { name: "°C", divisor: 1000 },
  fan: { name: "rpm", divisor: 1 },
  power: { name: "W", divisor: 1_000_000 },
};

/** Which cards, disks and how much memory there are: when this changes, the inventory has. */
export function hardwareMark(): string {
  const parts = ["/sys/class/net", "/sys/block", "/sys/bus/pci/devices"].map((path) => list(path).join(" "));
  return [...parts, totalmem()].join("\n");
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim().slice(0, 80);
  } catch {
    return undefined;
  }
}
