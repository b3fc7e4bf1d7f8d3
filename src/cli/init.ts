import { resolve } from "node:path";
import { type HealthDetail, healthDetail } from "../http/health.ts";
import { type Status, statusSchema } from "../http/status-routes.ts";
import { AppError } from "../platform/errors.ts";
import { createAppliance } from "./appliance.ts";
import { createClient, read } from "./client.ts";
import { defineCommand, defineGroup, outputFlag } from "./define.ts";
import { formatAge, note, print, printRecord } from "./output.ts";
import { daemonConfigPath, loadDaemonConfig, outputFormat } from "./settings.ts";

const configFlag = {
  config: { type: "string", description: "configuration file of the daemon", valueHint: "FILE" },
} as const;

const open = (config: string | undefined) => {
  // The process that is started has another working directory.
  const path = resolve(config ?? daemonConfigPath());
  const settings = loadDaemonConfig(path);
  return { settings, appliance: createAppliance(path, settings), client: createClient(settings.adminSocket) };
};

const start = defineCommand({
  summary: "start the appliance and wait until it answers",
  example: "labctl init bastion standalone start",
  args: configFlag,
  run: async ({ config }) => {
    const { appliance, client, settings } = open(config);
    if ((await ask(settings.adminSocket)) !== undefined) {
      note("the appliance is running already");
      return;
    }
    await appliance.start();
    for (let attempt = 0; attempt < 100; attempt++) {
      const answer = await ask(settings.adminSocket);
      if (answer !== undefined) {
        const status = await read(client.v1.status.$get(), statusSchema);
        print(`labctl ${status.version} is up (pid ${status.pid})`);
        for (const { service, address } of status.listeners) print(`  ${service.padEnd(10)} ${address}`);
        return;
      }
      if (!appliance.alive()) break;
      await Bun.sleep(150);
    }
    throw new AppError("failed", `the appliance did not come up:\n${appliance.logTail()}`, {
      hint: appliance.logHint,
    });
  },
});

const stop = defineCommand({
  summary: "stop the appliance and wait until it is gone",
  example: "labctl init bastion standalone stop",
  args: configFlag,
  run: async ({ config }) => {
    print((await open(config).appliance.stop()) ? "stopped" : "it was not running");
  },
});

const status = defineCommand({
  summary: "whether the appliance runs, and where it listens",
  example: "labctl init bastion standalone status -o json",
  args: { ...configFlag, ...outputFlag },
  run: async ({ config, output }) => {
    const { settings, appliance } = open(config);
    const answer = await ask(settings.adminSocket);
    const row = { state: answer ? "running" : appliance.alive() ? "not answering" : "stopped", ...answer };
    printRecord(
      row,
      [
        { title: "STATE", value: (each) => each.state },
        { title: "VERSION", value: (each) => each.version },
        { title: "PID", value: (each) => each.pid },
        { title: "UP", value: (each) => each.startedAt && formatAge(Date.now() - each.startedAt) },
        { title: "HEALTH", value: (each) => each.health?.status },
        ...(answer?.health?.findings ?? [])
          .filter(({ result }) => result !== "ok")
          .map(({ check, detail }) => ({ title: check.toUpperCase(), value: () => detail })),
        ...(answer?.listeners ?? []).map(({ service, address }) => ({
          title: service.toUpperCase(),
          value: () => address,
        })),
      ],
      outputFormat(output),
    );
    // As systemctl is-active: 3 where it does not run.
    if (!answer) process.exitCode = 3;
  },
});

/** The appliance's own word, or `undefined` when nobody answers on the socket. */
async function ask(socket: string): Promise<(Status & { health: HealthDetail }) | undefined> {
  const client = createClient(socket);
  try {
    const status = await read(client.v1.status.$get(), statusSchema);
    return { ...status, health: await read(client.health.detailed.$get(), healthDetail) };
  } catch (error) {
    if (error instanceof AppError && error.code === "unavailable") return undefined;
    throw error;
  }
}

const standalone = defineGroup({
  summary: "the whole appliance in one process on this host",
  example: "labctl init bastion standalone start",
  commands: {
    start: { summary: start.summary, load: async () => start },
    stop: { summary: stop.summary, load: async () => stop },
    status: { summary: status.summary, load: async () => status },
  },
});

const bastion = defineGroup({
  summary: "the network boot and install server",
  example: "labctl init bastion standalone start",
  commands: { standalone: { summary: standalone.summary, load: async () => standalone } },
});

export const init = defineGroup({
  summary: "start, stop and look at the appliance on this host",
  example: "labctl init bastion standalone start",
  commands: { bastion: { summary: bastion.summary, load: async () => bastion } },
});
