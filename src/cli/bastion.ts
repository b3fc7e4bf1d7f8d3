import { defineCommand, defineGroup } from "./define.ts";
import { loadDaemonConfig } from "./settings.ts";
import { waitForStop } from "./signals.ts";

const run = defineCommand({
  summary: "run the bastion in the foreground",
  example: "labctl bastion run --config /etc/labctl/config.yaml",
  args: { config: { type: "string", description: "configuration file", valueHint: "FILE" } },
  run: async ({ config }) => {
    const { startBastion } = await import("../roles/bastion.ts");
    const { createDaemonLogger } = await import("./daemon-logger.ts");
    const settings = loadDaemonConfig(config);
    const bastion = await startBastion(settings, createDaemonLogger(settings.logLevel));
    await waitForStop();
    await bastion.stop();
  },
});

export const bastion = defineGroup({
  summary: "the network boot and install server",
  example: "labctl bastion run",
  commands: {
    run: { summary: run.summary, load: async () => run },
  },
});
