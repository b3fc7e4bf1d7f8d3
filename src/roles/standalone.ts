import { networkInterfaces } from "node:os";
import type { Actor, TokenService } from "../access/service.ts";
import type { Enrolment } from "../machines/service.ts";
import { systemClock as clock } from "../platform/clock.ts";
import type { DaemonConfig } from "../platform/config.ts";
import type { Logger } from "../platform/logger.ts";
import { startBastion } from "./bastion.ts";
import { describeExecutable } from "./enrolment.ts";
import { openLabd } from "./labd.ts";
import { createStarted, type Running } from "./running.ts";

/** A machine that was installed has so long, in milliseconds, to come up and join. */
const joinPatience = 24 * 3_600_000;

/** Bastion and control plane in one process on one database: what the bastion installs joins by itself. */
export async function startStandalone(
  config: DaemonConfig,
  outer: Logger,
  environment: NodeJS.ProcessEnv,
  executable: string,
): Promise<Running> {
  const started = createStarted();
  try {
    const addresses = config.interfaces.flatMap(({ name, address }) =>
      address === undefined
        ? (networkInterfaces()[name] ?? [])
            .filter((each) => each.family === "IPv4")
            .map((each) => each.address)
        : [address],
    );
    const labd = started.keep(await openLabd(config, outer, environment, addresses));
    const { logger } = labd;
    const { executables, enrolment } = await describeExecutable(executable);
    const ground = { ...labd, executables, enrolment: enrolment(createMint(labd.tokens, config.labd.port)) };
    const bastion = started.keep(await startBastion(config, logger, ground));
    await labd.serve(bastion);
    logger.info("bastion is ready", { interfaces: config.interfaces.map((each) => each.name).join(",") });
    return started;
  } catch (error) {
    await started.stop();
    throw error;
  }
}

/** Join tokens of the control plane in this process; machines reach it where they reach the bastion. */
const createMint =
  (tokens: TokenService, port: number) =>
  async ({ mac, name, role, baseUrl }: Parameters<Enrolment["offer"]>[0]) => {
    const actor: Actor = {
      principal: { kind: "local", name: "local/bastion", roles: [] },
      from: "",
      requestId: `install ${mac}`,
      startedAt: clock.now(),
    };
    const { text } = await tokens.create(actor, {
      kind: "join",
      description: `install of ${name}`,
      scope: { name, mac, labels: { role } },
      lifetime: joinPatience,
      uses: 1,
    });
    return { server: `${new URL(baseUrl).hostname}:${port}`, token: text };
  };
