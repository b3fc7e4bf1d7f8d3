import type { AgentMessage, Health } from "../fleet/protocol.ts";
import { maxMessage } from "../fleet/protocol.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import { readVitals } from "./vitals.client.ts";

export interface ReportingDeps {
  /** The inventory of this host. */
  readFacts(): Promise<Record<string, unknown>>;
  /** Changes whenever a card, disk or memory comes or goes; cheap enough to be asked every minute. */
  hardwareMark(): string;
  readDisks(): Promise<Health["disks"]>;
  readSensors(): Health["sensors"];
  clock: Clock;
  logger: Logger;
  send(message: AgentMessage): boolean;
}

/** What an agent tells of its host by itself, each part as often as it is worth. */
export interface Reporting {
  start(heartbeat: number, health: boolean): void;
  stop(): void;
}

const minute = 60_000;
const factsInterval = 30 * minute;
const disksInterval = 60 * minute;

export function createReporting(deps: ReportingDeps): Reporting {
  const { clock, logger, send } = deps;
  let timers: (() => void)[] = [];
  let sentFacts = "";
  let mark = "";
  let factsAt = 0;
  let disks: Health["disks"] = { items: [] };
  let disksAt = Number.NEGATIVE_INFINITY;

  const failed = (what: string) => (error: unknown) =>
    logger.warn(`${what} could not be read`, { error: String(error) });

  async function tellFacts(): Promise<void> {
    factsAt = clock.monotonic();
    const facts = await deps.readFacts();
    const text = JSON.stringify(facts);
    if (text === sentFacts || text.length > maxMessage / 2) return;
    if (send({ kind: "facts", facts })) sentFacts = text;
  }

  async function tellHealth(): Promise<void> {
    if (clock.monotonic() - disksAt >= disksInterval) {
      disksAt = clock.monotonic();
      disks = await deps.readDisks();
    }
    send({ kind: "health", health: { disks, sensors: deps.readSensors() } });
  }

  function look(): void {
    const now = deps.hardwareMark();
    if (now === mark && clock.monotonic() - factsAt < factsInterval) return;
    mark = now;
    tellFacts().catch(failed("the facts"));
  }

  return {
    start(heartbeat, health) {
      this.stop();
      // labd may be another one than before: everything is told anew.
      sentFacts = "";
      mark = "";
      const beat = () => void send({ kind: "heartbeat", vitals: readVitals(), now: clock.now() });
      const tell = () => void tellHealth().catch(failed("disks and sensors"));
      beat();
      look();
      timers = [clock.every(heartbeat, beat), clock.every(minute, look)];
      if (!health) return;
      tell();
      timers.push(clock.every(minute, tell));
    },
    stop() {
      for (const end of timers.splice(0)) end();
    },
  };
}
