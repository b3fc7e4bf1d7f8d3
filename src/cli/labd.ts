import { notifySystemd } from "../platform/notify.client.ts";
import { defineCommand, defineGroup } from "./define.ts";
import { loadDaemonConfig } from "./settings.ts";
import { waitForStop } from "./signals.ts";

const run = defineCommand({
  summary: "run the control plane in the foreground",
  example: "labctl labd run --config /etc/labctl/config.yaml",
  args: { config: { type: "string", description: "configuration file", valueHint: "FILE" } },
  run: async ({ config }) => {
    const { startLabd } = await import("../roles/labd.ts");
    const { createDaemonLogger } = await import("./daemon-logger.ts");
    const settings = loadDaemonConfig(config);
    const labd = await startLabd(settings, createDaemonLogger(settings.logLevel), process.env);
    notifySystemd("READY=1", process.env.NOTIFY_SOCKET);
    await waitForStop();
    notifySystemd("STOPPING=1", process.env.NOTIFY_SOCKET);
    await labd.stop();
  },
});

export const labd = defineGroup({
  summary: "the control plane: hosts, users, what they may do",
  example: "labctl labd run",
  commands: { run: { summary: run.summary, load: async () => run } },
});
