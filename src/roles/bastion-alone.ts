import { createAuditLog } from "../access/audit-log.ts";
import { createAuditRoutes } from "../access/audit-routes.ts";
import { createIdentityRoutes } from "../access/identity-routes.ts";
import { identifyLocal } from "../access/service.ts";
import { createControlPlane } from "../http/control-plane.ts";
import { createGate } from "../http/gate.ts";
import { listenLocal } from "../http/local-listener.server.ts";
import { createLogRoutes } from "../http/log-routes.ts";
import { createOperationsRoutes } from "../http/operations-routes.ts";
import { createRateLimits } from "../http/rate-limits.ts";
import { createStatusRoutes } from "../http/status-routes.ts";
import { systemClock as clock } from "../platform/clock.ts";
import type { DaemonConfig } from "../platform/config.ts";
import type { Logger } from "../platform/logger.ts";
import { keepLog } from "./daemon-log.ts";
import { createStarted, type Running } from "./running.ts";
import { createTelemetry, listenForMetrics } from "./telemetry.ts";
import { startJoined } from "./uplink.ts";

/**
 * The bastion without a control plane of its own: this host's administrators alone ask it, by the admin socket. Where it
 * joined a labd elsewhere, it tells that one of its machines, and what it installs joins there.
 */
export async function startBastionAlone(
  config: DaemonConfig,
  outer: Logger,
  executable: string,
): Promise<Running> {
  const started = createStarted();
  const { logger, ring } = keepLog(outer, config.logLevel, clock);
  try {
    const telemetry = createTelemetry(config, clock, logger);
    const { store, metrics } = telemetry;
    started.keep({ stop: () => store.close() });
    started.keep(listenForMetrics(config, metrics, logger));
    const audit = createAuditLog(store, clock);
    const gate = createGate({
      store,
      identify: identifyLocal,
      audit,
      clock,
      limits: createRateLimits(config.labd.rateLimits, clock),
      newId: () => crypto.randomUUID(),
    });
    const ground = { telemetry, audit, gate };
    const { rooms, listeners } = started.keep(await startJoined(config, logger, ground, executable));
    const startedAt = clock.now();
    const status = createStatusRoutes(gate, () => ({ pid: process.pid, startedAt, listeners: listeners() }));
    const app = createControlPlane(
      gate,
      [
        createIdentityRoutes(),
        createAuditRoutes(gate, audit, clock),
        createLogRoutes(gate, ring, clock),
        createOperationsRoutes(telemetry, gate),
        status,
        ...rooms,
      ],
      logger,
      telemetry.countRequests("bastion"),
    );
    // Last: whoever finds the socket finds everything else running.
    started.keep(await listenLocal(app, () => false, config.adminSocket, logger));
    logger.info("bastion is ready", { interfaces: config.interfaces.map((each) => each.name).join(",") });
    return started;
  } catch (error) {
    await started.stop();
    throw error;
  }
}
