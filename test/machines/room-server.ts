// The machines room behind its real listeners, as a process of its own that a test can kill:
//   bun room-server.ts DIRECTORY
// Prints the lab port once it listens; the admin socket is DIRECTORY/sock.
import { join } from "node:path";
import { createApp } from "../../src/http/app.ts";
import { listenTcp } from "../../src/http/listener.server.ts";
import { listenLocal } from "../../src/http/local-listener.server.ts";
import { createLocalGate, createRoomApp } from "../../src/http/testdata/local-gate.ts";
import { createMachineLabRoutes } from "../../src/machines/lab-routes.ts";
import { createMachineRoutes } from "../../src/machines/routes.ts";
import { createMachines } from "../../src/machines/service.ts";
import { startStallWatch } from "../../src/machines/stall-watch.server.ts";
import { systemClock as clock } from "../../src/platform/clock.ts";
import { silentLogger as logger } from "../../src/platform/logger.ts";
import { openStore } from "../../src/store/database.ts";
import { sshKey } from "./room.ts";

const directory = process.argv[2] ?? "";
const store = openStore(join(directory, "db.sqlite"));
const { audit, gate } = createLocalGate(store, clock);
const machines = createMachines({
  store,
  clock,
  audit,
  logger,
  bus: { publish: () => {} },
  templates: (path) => `# ${path}\ntoken={{token}}\n`,
  findImage: (name) => ({ name, sha256: "a".repeat(64), size: 1000, format: "raw", compression: "none" }),
  leasesOf: () => [],
  settings: { sshKeys: [sshKey], kernelArgs: "", timezone: "UTC", mirrors: {}, after: "wait" },
});
startStallWatch(machines.reports, clock, logger);
const lab = listenTcp(createApp([createMachineLabRoutes(machines, clock)], logger), "127.0.0.1", 0, logger);
const admin = createRoomApp(gate, [createMachineRoutes(gate, machines)], logger);
await listenLocal(admin, () => false, join(directory, "sock"), logger);
process.stdout.write(`${lab.port}\n`);
