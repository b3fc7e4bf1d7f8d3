import { readFileSync, statfsSync } from "node:fs";
import { freemem, loadavg, totalmem, uptime } from "node:os";
import type { Vitals } from "../fleet/protocol.ts";

const maxMounts = 64;

/** How this host is now. */
export function readVitals(): Vitals {
  const [one = 0, five = 0, fifteen = 0] = loadavg();
  return {
    uptime: uptime(),
    load: [one, five, fifteen],
    memory: { total: totalmem(), available: availableMemory() },
    disks: mounts().flatMap((mount) => {
      try {
        const { blocks, bavail, bsize } = statfsSync(mount);
        return [{ mount, size: blocks * bsize, used: (blocks - bavail) * bsize }];
      } catch {
        return [];
      }
    }),
  };
}

/** What programs may still use, caches included (proc(5), MemAvailable). */
function availableMemory(): number {
  const found = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"));
  return found ? Number(found[1]) * 1024 : freemem();
}

/** Mount points that lie on a disk of this host. */
function mounts(): string[] {
  const seen = new Set<string>();
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .flatMap((line) => {
      const [device = "", mount = ""] = line.split(" ");
      if (!device.startsWith("/dev/") || seen.has(device) || mount.length > 300) return [];
      seen.add(device);
      return [mount.replaceAll("\\040", " ")];
    })
    .slice(0, maxMounts);
}
