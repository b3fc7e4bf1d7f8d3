import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { networkInterfaces } from "node:os";
import type { Actor, TokenService } from "../access/service.ts";
import type { Enrolment } from "../machines/service.ts";
import { systemClock as clock } from "../platform/clock.ts";
import type { DaemonConfig } from "../platform/config.ts";
import type { Logger } from "../platform/logger.ts";
import { startBastion } from "./bastion.ts";
import { openLabd } from "./labd.ts";
import { createStarted, type Running } from "./running.ts";

/** A machine that was installed has so long, in milliseconds, to come up and join. */
const joinPatience = 24 * 3_600_000;

/** Bastion and control plane in one process on one database: what the bastion installs joins by itself. */
export async function startStandalone(
  config: DaemonConfig,
  logger: Logger,
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
    const labd = started.keep(await openLabd(config, logger, environment, addresses));
    const arch = process.arch === "arm64" ? "arm64" : "x86_64";
    const path = `${arch}/labctl`;
    const enrolment = createEnrolment(
      labd.tokens,
      config.labd.port,
      `/agent/${path}`,
      await sha256Of(executable),
    );
    const bastion = started.keep(
      await startBastion(config, logger, { ...labd, enrolment, executables: new Map([[path, executable]]) }),
    );
    await labd.serve(bastion);
    logger.info("bastion is ready", { interfaces: config.interfaces.map((each) => each.name).join(",") });
    return started;
  } catch (error) {
    await started.stop();
    throw error;
  }
}

function createEnrolment(tokens: TokenService, port: number, executable: string, sha256: string): Enrolment {
  return {
    sample: {
      server: `192.0.2.1:${port}`,
      token: `labctl_join_${"x".repeat(43)}_${"0".repeat(64)}`,
      executable,
      sha256,
    },
    async offer({ mac, name, role, baseUrl }) {
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
      return { server: `${new URL(baseUrl).hostname}:${port}`, token: text, executable, sha256 };
    },
  };
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}
