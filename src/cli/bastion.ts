import { notifySystemd } from "../platform/notify.client.ts";
import { defineCommand, defineGroup } from "./define.ts";
import { loadDaemonConfig } from "./settings.ts";
import { waitForStop } from "./signals.ts";

const run = defineCommand({
  summary: "run the bastion in the foreground",
  example: "labctl bastion run --config /etc/labctl/config.yaml",
  args: { config: { type: "string", description: "configuration file", valueHint: "FILE" } },
  run: async ({ config }) => {
    const { startBastionAlone } = await import("../roles/bastion-alone.ts");
    const { createDaemonLogger } = await import("./daemon-logger.ts");
    const settings = loadDaemonConfig(config);
    const bastion = await startBastionAlone(
      settings,
      createDaemonLogger(settings.logLevel),
      process.execPath,
    );
    notifySystemd("READY=1", process.env.NOTIFY_SOCKET);
    await waitForStop();
    notifySystemd("STOPPING=1", process.env.NOTIFY_SOCKET);
    await bastion.stop();
  },
});

export const bastion = defineGroup({
  summary: "the network boot and install server",
  example: "labctl bastion run",
  commands: {
    run: { summary: run.summary, load: async () => run },
    join: {
      summary: "let it tell a labd elsewhere of its machines",
      load: async () => (await import("./bastion-uplink.ts")).join,
    },
    leave: {
      summary: "forget that labd",
      load: async () => (await import("./bastion-uplink.ts")).leave,
    },
    revoke: {
      summary: "take a bastion's certificates back and cut its connection",
      load: async () => (await import("./bastion-uplink.ts")).revoke,
    },
    remove: {
      summary: "revoke a bastion and forget what it told",
      load: async () => (await import("./bastion-uplink.ts")).remove,
    },
    "dhcp-snippet": {
      summary: "configuration for your own DHCP server that points it here",
      load: async () => (await import("./dhcp-snippet.ts")).dhcpSnippet,
    },
  },
});
