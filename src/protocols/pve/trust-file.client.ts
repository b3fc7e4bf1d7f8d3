import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { AppError } from "../../platform/errors.ts";
import { type Fingerprint, parseFingerprint } from "./fingerprint.ts";

const shape = z.record(z.string(), z.string());

/** The pins, by `host:port`. An absent file holds none. */
export function readPins(file: string): Map<string, Fingerprint> {
  if (!existsSync(file)) return new Map();
  const found = shape.safeParse(readJson(file));
  if (!found.success) {
    throw new AppError("config", `${file} is not a list of pinned certificates`, {
      hint: "move it away and confirm each node anew: labctl proxmox trust HOST",
    });
  }
  return new Map(Object.entries(found.data).map(([place, text]) => [place, parseFingerprint(text)]));
}

/** Adds or replaces one pin; the file is whole at every moment. */
export function savePin(file: string, place: string, fingerprint: Fingerprint): void {
  const pins = readPins(file).set(place, fingerprint);
  mkdirSync(dirname(file), { recursive: true });
  const fresh = `${file}.${process.pid}.new`;
  writeFileSync(fresh, `${JSON.stringify(Object.fromEntries([...pins].sort()), null, 2)}\n`);
  chmodSync(fresh, 0o644);
  renameSync(fresh, file);
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
