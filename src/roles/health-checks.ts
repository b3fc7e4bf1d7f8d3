import { accessSync, constants, existsSync, mkdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import type { Authority } from "../access/service.ts";
import type { Examine, Finding } from "../http/health.ts";
import type { Clock } from "../platform/clock.ts";
import type { InterfaceConfig } from "../platform/config.ts";
import type { SubscriberStats } from "../platform/events.ts";
import type { InterfaceReader } from "../protocols/inet/interfaces.client.ts";
import type { Store } from "../store/database.ts";

type Found = Omit<Finding, "check">;

const day = 86_400_000;
/** Bytes. Below `little` images do not fit any more, below `none` the database is about to stop. */
const little = 2e9;
const none = 100e6;

/** Whether the data directory can be written, and how much room it has. */
export function dataDirectory(path: string): Found {
  try {
    mkdirSync(path, { recursive: true, mode: 0o750 });
    accessSync(path, constants.W_OK);
    const { bavail, bsize } = statfsSync(path);
    const free = bavail * bsize;
    const detail = `${path}: ${(free / 1e9).toFixed(1)} GB free`;
    if (free < none)
      return { result: "fail", detail, next: "free some: the database stops when nothing is left" };
    if (free < little) return { result: "warn", detail, next: "disk images want room: free some" };
    return { result: "ok", detail };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { result: "fail", detail, next: "run as the service's user or as root, or set dataDir" };
  }
}

/** Whether machines can be discovered: the RAM environment of at least one architecture is there. */
export function ramEnvironment(ramDir: string): Found {
  const found = ["x86_64", "arm64"].filter((arch) =>
    ["vmlinuz", "initrd.img"].every((file) => existsSync(join(ramDir, arch, file))),
  );
  return found.length > 0
    ? { result: "ok", detail: `${ramDir}: ${found.join(", ")}` }
    : {
        result: "fail",
        detail: `${ramDir} has none: machines cannot be discovered`,
        next: "install the package labctl-ram, or run labctl image build ram",
      };
}

/** A real write, durable, and how long it took. */
export function databaseWrite(store: Pick<Store, "probe">, clock: Clock): Examine {
  return async () => {
    const begun = clock.monotonic();
    await store.probe();
    const took = clock.monotonic() - begun;
    const detail = `a write took ${took.toFixed(0)} ms`;
    return took < 1000
      ? { result: "ok", detail }
      : { result: "warn", detail, next: "the disk is too slow for its load: iostat -x 1" };
  };
}

/** Whether each configured interface is there and served. */
export function labInterfaces(
  interfaces: readonly InterfaceConfig[],
  readInterfaces: InterfaceReader,
  served: () => readonly string[],
): Found {
  const addresses = served();
  const present = readInterfaces();
  const missing = interfaces.filter(
    ({ name, address }) =>
      !present
        .get(name)
        ?.addresses.some(
          (each) => addresses.includes(each.address) && (address === undefined || each.address === address),
        ),
  );
  if (interfaces.length === 0) {
    return {
      result: "warn",
      detail: "no interface is configured: nothing is served",
      next: "set 'interfaces'",
    };
  }
  return missing.length === 0
    ? { result: "ok", detail: addresses.join(", ") }
    : {
        result: "fail",
        detail: `not served: ${missing.map(({ name }) => name).join(", ")}`,
        next: "ip addr shows whether it is up and has its address; it is served as soon as it has",
      };
}

/** Whether the signing root and the server's own certificate hold, and for how long. */
export function certificates(
  authority: Pick<Authority, "show">,
  serverNotAfter: () => number,
  clock: Clock,
): Examine {
  return async () => {
    const active = (await authority.show()).find(({ state }) => state === "active");
    if (active === undefined) return { result: "fail", detail: "no root signs" };
    const now = clock.now();
    const days = (until: number) => Math.floor((until - now) / day);
    const detail = `root ${active.fingerprint.slice(0, 16)} for ${days(active.notAfter)} days, labd's own certificate for ${days(serverNotAfter())}`;
    if (active.notAfter <= now || serverNotAfter() <= now) {
      return { result: "fail", detail, next: "is the clock right? labctl ca rotate; restart labd" };
    }
    return active.notAfter - now < 90 * day
      ? { result: "warn", detail, next: "labctl ca rotate" }
      : { result: "ok", detail };
  };
}

/** Whether every subscriber of events gets on with its queue, and whether one lost something since the last look. */
export function subscribers(stats: () => readonly SubscriberStats[]): Examine {
  let before = new Map<number, SubscriberStats>();
  return () => {
    const now = new Map(stats().map((each) => [each.id, each]));
    const stuck = [...now].filter(([id, { queued, handled }]) => {
      const last = before.get(id);
      return queued > 0 && last !== undefined && last.queued > 0 && last.handled === handled;
    });
    const losing = [...now].filter(([id, { dropped }]) => dropped > (before.get(id)?.dropped ?? 0));
    before = now;
    const names = (list: typeof stuck) => [...new Set(list.map(([, { name }]) => name))].join(", ");
    if (stuck.length > 0) {
      const next = "its last lines in the log say what it waits for; a restart frees it";
      return { result: "fail", detail: `stuck: ${names(stuck)}`, next };
    }
    return losing.length > 0
      ? { result: "warn", detail: `lost events: ${names(losing)}`, next: "the host is too busy for its load" }
      : { result: "ok", detail: `${now.size} follow what happens` };
  };
}
