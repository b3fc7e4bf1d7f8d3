import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApp, type Routes } from "../../src/http/app.ts";
import { createLocalGate, createRoomApp } from "../../src/http/testdata/local-gate.ts";
import { createMachineLabRoutes } from "../../src/machines/lab-routes.ts";
import { createMachineRoutes } from "../../src/machines/routes.ts";
import { createMachines, type MachineEvents, type Machines } from "../../src/machines/service.ts";
import { createManualClock } from "../../src/platform/clock.ts";
import { createLogger, type LogFields } from "../../src/platform/logger.ts";
import { type Mac, parseMac } from "../../src/platform/mac.ts";
import { openStore, type Store } from "../../src/store/database.ts";

export const mac = parseMac("52:54:00:00:00:01");
export const machineIp = "10.0.0.50";
export const sshKey = `ssh-ed25519 ${Buffer.concat([
  Buffer.from([0, 0, 0, 11]),
  Buffer.from("ssh-ed25519"),
  Buffer.from([0, 0, 0, 32]),
  Buffer.alloc(32, 7),
]).toString("base64")} admin`;

/** A report as the RAM environment would send it. */
export const inventory = (changes: Record<string, unknown> = {}) => ({
  version: 1,
  mac,
  system: {
    vendor: "QEMU",
    product: "Standard PC",
    serial: "S-1",
    uuid: "11111111-2222-3333-4444-555555555555",
  },
  firmware: { mode: "uefi" },
  cpu: { model: "Xeon", threads: 8 },
  memory: { totalBytes: 16 * 2 ** 30 },
  disks: [{ name: "sda", serial: "D1", model: "SSD", sizeBytes: 500e9 }],
  nics: [
    { name: "eth0", mac },
    { name: "eth1", mac: "52:54:00:00:00:02" },
  ],
  ...changes,
});

/** The machines room on a database of its own, spoken to as its listeners would. */
export interface Room {
  machines: Machines;
  /** Where the database is. */
  directory: string;
  store: Store;
  clock: ReturnType<typeof createManualClock>;
  /** What was published, by name. */
  events: [keyof MachineEvents, unknown][];
  logged: { level: string; message: string; fields: LogFields }[];
  leases: Map<Mac, string[]>;
  images: Set<string>;
  lab: Routes;
  admin: Routes;
  /** A request from the lab network. */
  ask(path: string, init?: RequestInit, clientIp?: string): Promise<Response>;
  /** A request of an administrator. */
  order(path: string, init?: RequestInit): Promise<Response>;
  discover(changes?: Record<string, unknown>): Promise<Response>;
  queue(spec?: Record<string, unknown>, replace?: boolean): Promise<Response>;
  /** Boots the machine: the token of the install it is given. */
  boot(as?: Mac): Promise<string>;
  /** Boots it and fetches its install data: the token it reports with. */
  start(): Promise<string>;
  progress(token: string, seq: number, stage: string, state?: string, message?: string): Promise<Response>;
  log(token: string, lines: { seq: number; text: string }[]): Promise<Response>;
  /** Closes the database and opens it again, as a restart would. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export const json = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

export function openRoom(): Room {
  const directory = mkdtempSync(join(tmpdir(), "labctl-machines-"));
  const clock = createManualClock(Date.UTC(2026, 0, 1));
  const logged: Room["logged"] = [];
  const logger = createLogger(
    { write: (level, message, fields) => logged.push({ level, message, fields }) },
    "debug",
  );
  const events: Room["events"] = [];
  const leases = new Map<Mac, string[]>();
  const images = new Set(["web"]);

  function open() {
    const store = openStore(join(directory, "db.sqlite"));
    const { audit, gate } = createLocalGate(store, clock);
    const machines = createMachines({
      store,
      clock,
      audit,
      logger,
      bus: { publish: (name, fact) => void events.push([name, fact]) },
      templates: (path) => `# ${path}\nname={{name}} token={{token}}\n`,
      findImage: (name) =>
        images.has(name)
          ? { name, sha256: "a".repeat(64), size: 1000, format: "raw", compression: "none" }
          : undefined,
      leasesOf: (each) => leases.get(each) ?? [],
      settings: {
        sshKeys: [sshKey],
        kernelArgs: "console=ttyS0",
        timezone: "UTC",
        mirrors: { debian: "http://mirror.test/debian" },
        after: "wait",
      },
    });
    return {
      store,
      machines,
      lab: createApp([createMachineLabRoutes(machines, clock)], logger),
      admin: createRoomApp(gate, [createMachineRoutes(gate, machines)], logger),
    };
  }

  const origin = (clientIp: string) => ({ clientIp, baseUrl: "http://10.0.0.1:8080", untimed: () => {} });
  const root = { kind: "local", uid: 0, user: "root" } as const;
  const room: Room = {
    ...open(),
    directory,
    clock,
    events,
    logged,
    leases,
    images,
    ask: async (path, init, clientIp = machineIp) =>
      room.lab.fetch(new Request(`http://bastion${path}`, init), origin(clientIp)),
    order: async (path, init) =>
      room.admin.fetch(new Request(`http://labctl${path}`, init), { ...origin(""), peer: root }),
    discover: (changes) => room.ask("/api/discover", json(inventory(changes))),
    queue: (spec = {}, replace = false) =>
      room.order(
        `/api/v1/machines/${mac}/install`,
        json({ spec: { name: "node1", os: "image:web", role: "worker", ...spec }, replace }),
      ),
    async boot(as = mac) {
      const order = await room.machines.orders.orderFor({
        mac: as,
        firmware: "uefi",
        arch: "x86_64",
        via: "ipxe",
        clientIp: machineIp,
        baseUrl: "http://10.0.0.1:8080",
      });
      if (order.kind !== "install") throw new Error(`it got ${JSON.stringify(order)}`);
      return order.token;
    },
    async start() {
      const token = await room.boot();
      const served = await room.ask(`/install/${token}/install.sh`);
      if (served.status !== 200) throw new Error(await served.text());
      return token;
    },
    progress: (token, seq, stage, state = "running", message) =>
      room.ask("/api/progress", json({ seq, stage, state, message }, bearer(token))),
    log: (token, lines) => room.ask("/api/log", json({ lines }, bearer(token))),
    async restart() {
      room.machines.close();
      await room.store.close();
      Object.assign(room, open());
    },
    async close() {
      room.machines.close();
      await room.store.close();
      rmSync(directory, { recursive: true });
    },
  };
  return room;
}
