import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import type { Reports } from "./report-service.ts";

/** Often enough for stages that are given minutes, seldom enough not to keep the processor awake. */
const everyMs = 20_000;

/** One timer for all installs. The returned function ends it. */
export function startStallWatch(
  reports: Pick<Reports, "checkStalled">,
  clock: Clock,
  logger: Logger,
): () => void {
  return clock.every(everyMs, () => {
    reports.checkStalled().catch((error: unknown) => {
      logger.error("stalled installs could not be looked for", { error: String(error) });
    });
  });
}
