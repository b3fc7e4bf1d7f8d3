import { join } from "node:path";
import { createApp } from "../http/app.ts";
import { type Listener, listenTcp, listenUnix } from "../http/listener.server.ts";
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
  const keep = (part: Listener | Running) => void started.push({ stop: () => part.stop() });
  try {
    const store = openStore(join(config.dataDir, "labctl.sqlite"));
    keep({ stop: () => store.close() });
    keep(await listenUnix(createApp([], logger), config.adminSocket, logger));
    for (const address of config.interfaces.flatMap((each) => each.address ?? [])) {
      keep(listenTcp(createApp([], logger), address, config.http.port, logger));
    }
    logger.info("bastion is ready", { interfaces: config.interfaces.map((each) => each.name).join(",") });
    return { stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
