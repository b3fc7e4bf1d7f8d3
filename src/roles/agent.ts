import { dirname } from "node:path";
import { ownAccount } from "../agent/account.client.ts";
import { createAgent } from "../agent/agent.client.ts";
import { controlSocket, listenControl } from "../agent/control.server.ts";
import { probeServer, readServerClock } from "../agent/enrolment.client.ts";
import { readFacts } from "../agent/facts.client.ts";
import { hardwareMark, readDisks, readSensors } from "../agent/health.client.ts";
import { operationCommand } from "../agent/host-operations.ts";
import { logCommand } from "../agent/log-command.ts";
import { createProcessRunner } from "../agent/process-runner.server.ts";
import type { AgentState, AgentStateFile } from "../agent/state.client.ts";
import { systemClock as clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import { createStarted, type Running } from "./running.ts";

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Builds the agent of its parts and lets it connect; `leave` is called when its administrator wants it gone. */
export async function startAgent(
  file: AgentStateFile,
  state: AgentState,
  logger: Logger,
  leave: () => void,
): Promise<Running> {
  const started = createStarted();
  const privilege = process.getuid?.() === 0 ? "direct" : "sudo";
  const agent = started.keep(
    createAgent({
      file,
      state,
      // Commands get an environment of their own: nothing of the service's leaks into them.
      run: createProcessRunner(clock, { PATH: path, LANG: "C.UTF-8", HOME: ownAccount().home }),
      logCommand,
      operationCommand: (operation) => operationCommand(operation, privilege),
      probe: probeServer,
      readServerClock,
      readFacts,
      readDisks: () => readDisks(privilege),
      readSensors,
      hardwareMark,
      clock,
      logger,
      random: Math.random,
      newId: () => crypto.randomUUID(),
    }),
  );
  started.keep(listenControl(controlSocket(dirname(file.path)), agent, leave));
  agent.start();
  return started;
}
