import type { Actor, AuditLog } from "../access/service.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Hub } from "./hub.ts";
import type { AgentMessage } from "./protocol.ts";
import type { ServerRecord } from "./server-repository.ts";

/** Agents that are sent to another address of labd. */
export interface Moves {
  /** Resolves when the agent goes there. @throws `failed` with its reason to stay, `timeout`, `unavailable`. */
  move(actor: Actor, name: string, url: string): Promise<void>;
  noteMoving(name: string, answer: Extract<AgentMessage, { kind: "moving" }>): void;
}

/** Milliseconds an agent has to look at the new address. */
const patience = 45_000;

export function createMoves({
  hub,
  audit,
  clock,
  newId,
  find,
}: {
  hub: Hub;
  audit: AuditLog;
  clock: Clock;
  newId: () => string;
  /** @throws `not-found`. */
  find(name: string): ServerRecord;
}): Moves {
  const waiting = new Map<string, { name: string; answer(refused: string | undefined): void }>();
  return {
    async move(actor, name, url) {
      find(name);
      const order = newId();
      const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
      const cancel = clock.after(patience, () =>
        reject(new AppError("timeout", `server/${name} did not say whether it moves`)),
      );
      waiting.set(order, { name, answer: resolve });
      try {
        hub.linkOf(name, "move").send({ kind: "go-elsewhere", url, order });
        const refused = await promise;
        const resource = `server/${name}`;
        if (refused === undefined)
          return await audit.record(actor, { action: "agents:move", resource, detail: url });
        await audit.record(actor, { action: "agents:move", resource, detail: url, result: "failed" });
        throw new AppError("failed", `server/${name} stays: ${refused}`, {
          hint: "labd there has to answer with a certificate of the same authority that names this address (labd.addresses)",
        });
      } finally {
        cancel();
        waiting.delete(order);
      }
    },
    noteMoving(name, { order, refused }) {
      const wanted = waiting.get(order);
      if (wanted?.name === name) wanted.answer(refused);
    },
  };
}
