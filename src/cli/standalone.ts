import { notifySystemd } from "../platform/notify.client.ts";
import { defineCommand, defineGroup } from "./define.ts";
import { loadDaemonConfig } from "./settings.ts";
import { waitForStop } from "./signals.ts";

const run = defineCommand({
  summary: "run bastion and control plane in one process, in the foreground",
  example: "labctl standalone run --config /etc/labctl/config.yaml",
  args: { config: { type: "string", description: "configuration file", valueHint: "FILE" } },
  run: async ({ config }) => {
    const { startStandalone } = await import("../roles/standalone.ts");
    const { createDaemonLogger } = await import("./daemon-logger.ts");
    const settings = loadDaemonConfig(config);
    const logger = createDaemonLogger(settings.logLevel);
    const running = await startStandalone(settings, logger, process.env, process.execPath);
    notifySystemd("READY=1", process.env.NOTIFY_SOCKET);
    await waitForStop();
    notifySystemd("STOPPING=1", process.env.NOTIFY_SOCKET);
    await running.stop();
  },
});

export const standalone = defineGroup({
  summary: "bastion and control plane in one process",
  example: "labctl standalone run",
  commands: { run: { summary: run.summary, load: async () => run } },
});
