import { join } from "node:path";
import { createAgentStateFile } from "../agent/state.client.ts";
import { systemClock as clock } from "../platform/clock.ts";
import type { DaemonConfig } from "../platform/config.ts";
import { toAppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import { openOutbox } from "../uplink/outbox.ts";
import { createUplink, type Uplink } from "../uplink/uplink.client.ts";
import { type Bastion, type Ground, startBastion } from "./bastion.ts";
import { describeExecutable } from "./enrolment.ts";
import { createStarted } from "./running.ts";

/** Where a bastion keeps who it is to a labd elsewhere. */
export const uplinkIdentity = ({ dataDir }: Pick<DaemonConfig, "dataDir">) =>
  createAgentStateFile(join(dataDir, "uplink"));

/** Starts the bastion; where it joined a labd elsewhere, with the uplink to it. */
export async function startJoined(
  config: DaemonConfig,
  logger: Logger,
  ground: Ground,
  executable: string,
): Promise<Bastion> {
  const file = uplinkIdentity(config);
  const identity = file.read();
  if (identity === undefined) return startBastion(config, logger, ground);
  const started = createStarted();
  try {
    const newId = () => crypto.randomUUID();
    const { store } = ground.telemetry;
    const outbox = openOutbox({ store, clock, logger, newId, maxLines: config.uplink.maxLogLines });
    const { executables, enrolment } = await describeExecutable(executable);
    const advertised = config.uplink.advertise ?? new URL(identity.server).host;
    const bastion: Bastion = started.keep(
      await startBastion(config, logger, {
        ...ground,
        executables,
        journal: outbox.note,
        enrolment: enrolment(async ({ mac, name, role }) => {
          try {
            return { server: advertised, token: await uplink.mint({ mac, name, role }) };
          } catch (error) {
            // An install is worth more than its agent, which can be enrolled by hand.
            logger.warn("installed without a join token: it will not join by itself", {
              mac,
              name,
              reason: toAppError(error).message,
            });
            return undefined;
          }
        }),
      }),
    );
    const uplink: Uplink = started.keep(
      createUplink({
        identity,
        save: file.write,
        outbox,
        tell: bastion.machines.tell,
        clock,
        logger,
        random: Math.random,
        newId,
      }),
    );
    await uplink.start();
    ground.telemetry.health.add("uplink", () => {
      const { facts, lines } = outbox.waiting();
      return uplink.connected()
        ? { result: "ok", detail: `connected to ${identity.server}` }
        : {
            result: "warn",
            detail: `not connected to ${identity.server}; ${facts} facts, ${lines} lines wait`,
          };
    });
    return { ...bastion, stop: () => started.stop() };
  } catch (error) {
    await started.stop();
    throw error;
  }
}
