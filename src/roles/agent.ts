import { createAgent } from "../agent/agent.client.ts";
import { readFacts } from "../agent/facts.client.ts";
import { operationCommand } from "../agent/host-operations.ts";
import { logCommand } from "../agent/log-command.ts";
import { createProcessRunner } from "../agent/process-runner.server.ts";
import type { AgentState, AgentStateFile } from "../agent/state.client.ts";
import { systemClock as clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import type { Running } from "./running.ts";

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Builds the agent of its parts and lets it connect. */
export async function startAgent(file: AgentStateFile, state: AgentState, logger: Logger): Promise<Running> {
  const privilege = process.getuid?.() === 0 ? "direct" : "sudo";
  const agent = createAgent({
    file,
    state,
    // Commands get an environment of their own: nothing of the service's leaks into them.
    run: createProcessRunner(clock, { PATH: path, LANG: "C.UTF-8", HOME: "/root" }),
    logCommand,
    operationCommand: (operation) => operationCommand(operation, privilege),
    readFacts,
    clock,
    logger,
    random: Math.random,
    newId: () => crypto.randomUUID(),
  });
  agent.start();
  return agent;
}
