import type { Clock } from "../platform/clock.ts";
import { createLogRing, type LogRing } from "../platform/log-ring.ts";
import { createLogger, type Logger, type LogLevel } from "../platform/logger.ts";

/** The process's log as it was, and its last records in memory for whoever asks for them over the API. */
export function keepLog(outer: Logger, level: LogLevel, clock: Clock): { logger: Logger; ring: LogRing } {
  const ring = createLogRing(clock.now);
  const write: LogRing["write"] = (own, message, fields) => {
    outer[own](message, fields);
    ring.write(own, message, fields);
  };
  return { logger: createLogger({ write }, level), ring };
}
