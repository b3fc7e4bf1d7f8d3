import { join } from "node:path";
import { createDhcpServer } from "../boot/dhcp.server.ts";
import { createLeasesRepository } from "../boot/leases-repository.ts";
import { createApp } from "../http/app.ts";
import { listenTcp, listenUnix } from "../http/listener.server.ts";
import { createStatusRoutes, type Status } from "../http/status-routes.ts";
import { systemClock as clock } from "../platform/clock.ts";
import type { DaemonConfig } from "../platform/config.ts";
import type { Logger } from "../platform/logger.ts";
import { openStore } from "../store/database.ts";
import { followInterfaces } from "./lab-listeners.ts";
import { createStarted, type Running } from "./running.ts";

/** Builds the bastion of its parts and starts it; what was started is stopped in reverse when a later part fails. */
export async function startBastion(config: DaemonConfig, logger: Logger): Promise<Running> {
  const started = createStarted();
  try {
    const store = openStore(join(config.dataDir, "labctl.sqlite"));
    started.keep({ stop: () => store.close() });

    const labApp = createApp([], logger);
    const lab = await followInterfaces(
      config.interfaces,
      async (address) => [listenTcp(labApp, address, config.http.port, logger)],
      clock,
      logger,
    );
    started.keep(lab);

    const dhcp = started.keep(
      createDhcpServer({
        interfaces: config.interfaces,
        boot: {
          httpPort: config.http.port,
          program: config.boot.uefi,
          discoveryControl: config.boot.discoveryControl,
        },
        repository: createLeasesRepository(store),
        bootOptions: () => ({}),
        observe: () => {},
        clock,
        log: logger,
      }),
    );
    await dhcp.start();

    const startedAt = clock.now();
    const listeners = (): Status["listeners"] => [
      ...lab.addresses().map((address) => ({ service: "http", address: `${address}:${config.http.port}` })),
      ...dhcp.status().map((each) => ({ service: "dhcp", address: `${each.address} (${each.interface})` })),
    ];
    const status = createStatusRoutes(() => ({ pid: process.pid, startedAt, listeners: listeners() }));
    // Last: whoever finds the socket finds everything else running.
    started.keep(await listenUnix(createApp([status], logger), config.adminSocket, logger));
    logger.info("bastion is ready", { interfaces: config.interfaces.map((each) => each.name).join(",") });
    return started;
  } catch (error) {
    await started.stop();
    throw error;
  }
}
