import { chmodSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { AppError, errorCodes, toAppError } from "../platform/errors.ts";
import type { Agent } from "./agent.client.ts";
import { type AgentStatus, agentStatus } from "./status.ts";

export const controlSocket = (directory: string) => join(directory, "agent.sock");

/** Lets this host's administrator ask the running agent; the directory is its owner's alone, and so is the socket. */
export function listenControl(path: string, agent: Agent, leave: () => void): { stop(): Promise<void> } {
  // What a killed process left behind.
  rmSync(path, { force: true });
  const server = Bun.serve({
    unix: path,
    routes: {
      "/status": () => Response.json(agent.status()),
      "/renew": {
        POST: async () => {
          try {
            return Response.json({ certificateEnds: await agent.renew() });
          } catch (thrown) {
            const { code, message, hint } = toAppError(thrown);
            return Response.json({ code, message, hint }, { status: errorCodes[code].status });
          }
        },
      },
      "/leave": {
        POST: () => {
          leave();
          return Response.json({});
        },
      },
    },
  });
  chmodSync(path, 0o600);
  return {
    async stop() {
      await server.stop(true);
      rmSync(path, { force: true });
    },
  };
}

const refusal = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() });
const patience = 40_000;

/** Asks the agent that runs on this host; `undefined`: none does. @throws what it refused with. */
async function ask<T>(path: string, what: string, method: "GET" | "POST", schema: z.ZodType<T>) {
  let response: Response;
  try {
    response = await fetch(`http://agent/${what}`, {
      unix: path,
      method,
      signal: AbortSignal.timeout(patience),
    });
  } catch {
    return undefined;
  }
  const body: unknown = await response.json();
  if (response.ok) return schema.parse(body);
  const { message, hint } = refusal.parse(body);
  throw new AppError("unavailable", message, hint === undefined ? {} : { hint });
}

export const askStatus = (path: string): Promise<AgentStatus | undefined> =>
  ask(path, "status", "GET", agentStatus);
export const askRenewal = (path: string): Promise<{ certificateEnds: number } | undefined> =>
  ask(path, "renew", "POST", z.object({ certificateEnds: z.number() }));
export const askLeave = (path: string): Promise<object | undefined> =>
  ask(path, "leave", "POST", z.object({}));
