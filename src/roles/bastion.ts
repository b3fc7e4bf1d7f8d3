import { join } from "node:path";
import { createApp } from "../http/app.ts";
import { listenTcp, listenUnix } from "../http/listener.server.ts";
import { createStatusRoutes, type Status } from "../http/status-routes.ts";
import type { DaemonConfig } from "../platform/config.ts";
import type { Logger } from "../platform/logger.ts";
import { openStore } from "../store/database.ts";

export interface Running {
  stop(): Promise<void>;
}

/** Builds the bastion of its parts and starts it; what was started is stopped in reverse when a later part fails. */
export async function startBastion(config: DaemonConfig, logger: Logger): Promise<Running> {
  const started: Running[] = [];
  const stop = async () => {
    for (const part of started.splice(0).reverse()) await part.stop();
  };
  const keep = <Part extends Running>(part: Part): Part => {
    started.push(part);
    return part;
  };
  try {
    const store = openStore(join(config.dataDir, "labctl.sqlite"));
    keep({ stop: () => store.close() });
    const listeners: Status["listeners"] = [];
    for (const address of config.interfaces.flatMap((each) => each.address ?? [])) {
      const http = keep(listenTcp(createApp([], logger), address, config.http.port, logger));
      listeners.push({ service: "http", address: `${address}:${http.port}` });
    }
    // Last: whoever finds the socket finds everything else running.
    const startedAt = Date.now();
    const status = createStatusRoutes(() => ({ pid: process.pid, startedAt, listeners }));
    keep(await listenUnix(createApp([status], logger), config.adminSocket, logger));
    logger.info("bastion is ready", { interfaces: config.interfaces.map((each) => each.name).join(",") });
    return { stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
