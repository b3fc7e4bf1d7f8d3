import { createAuditLog } from "../../access/audit-log.ts";
import { identifyLocal } from "../../access/service.ts";
import { createControlPlane, type Rooms } from "../control-plane.ts";
import { createGate, type Gate } from "../gate.ts";
import { createRateLimits } from "../rate-limits.ts";
import type { Clock } from "../../platform/clock.ts";
import { daemonConfigSchema } from "../../platform/config.ts";
import type { Logger } from "../../platform/logger.ts";
import type { Store } from "../../store/database.ts";

/** Audit and gate as a bastion without a control plane has them: who comes by the socket administrates it. */
export function createLocalGate(store: Store, clock: Clock) {
  const audit = createAuditLog(store, clock);
  let requests = 0;
  const gate = createGate({
    store,
    identify: identifyLocal,
    audit,
    clock,
    limits: createRateLimits(daemonConfigSchema.parse({}).labd.rateLimits, clock),
    newId: () => `request-${++requests}`,
  });
  return { audit, gate };
}

/** The API of these rooms and nothing else. */
export const createRoomApp = (gate: Gate, rooms: Rooms, logger: Logger) =>
  createControlPlane(gate, rooms, logger, (_, next) => next());
