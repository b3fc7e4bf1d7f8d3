import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Queries } from "../store/database.ts";
import type { Claims } from "./claims.ts";
import type { MachineBus, MachineEvents } from "./events.ts";
import { durationsOf } from "./expectation.ts";
import type { Journal } from "./fact.ts";
import type { Feed } from "./feed.ts";
import { deleteTokens, endInstall, resumeInstall, startInstall } from "./install-repository.ts";
import type { LogRepository } from "./log-repository.ts";
import type { Machine } from "./machine.ts";
import { decide, type Effect, type MachineEvent } from "./model.ts";
import { recordOf } from "./record.ts";
import type { Registry } from "./registry.ts";
import { deleteMachine, saveState } from "./repository.ts";
import { foldStages } from "./stage.ts";

export type Step =
  | { kind: "moved"; machine: Machine; effects: readonly Effect[] }
  | { kind: "forgotten"; machine: Machine; effects: readonly Effect[] }
  | { kind: "ignored"; reason: string };

/** Moves machines from state to state: first in a transaction, then, once that is durable, for all to see. */
export interface Transitions {
  /** Decides and stores. @throws `conflict` when the machine's state does not allow the event. */
  take(tx: Queries, machine: Machine, event: MachineEvent): Step;
  /** Makes the step known, after the commit. */
  settle(step: Step): void;
}

export function createTransitions({
  clock,
  registry,
  claims,
  bus,
  feed,
  logs,
  journal,
}: {
  clock: Clock;
  registry: Registry;
  claims: Claims;
  bus: MachineBus;
  feed: Feed;
  logs: LogRepository;
  journal: Journal | undefined;
}): Transitions {
  function store(tx: Queries, effect: Effect, now: number): void {
    switch (effect.kind) {
      case "install-started":
        startInstall(tx, effect.installId, now);
        return;
      case "install-resumed":
        resumeInstall(tx, effect.installId);
        return;
      case "install-ended": {
        const { installId, outcome, reason } = effect;
        const stages = outcome === "installed" ? foldStages(logs.reportsOf(tx, installId)) : undefined;
        endInstall(tx, installId, { at: now, outcome, reason, durations: stages && durationsOf(stages) });
        if (outcome === "replaced" || outcome === "cancelled" || outcome === "forgotten") {
          deleteTokens(tx, installId);
        }
        return;
      }
      case "install-queued":
      case "stage-reached":
        return;
    }
  }

  return {
    take(tx, machine, event) {
      const now = clock.now();
      const decision = decide(machine.state, event, now);
      if (decision.kind === "ignore") return { kind: "ignored", reason: decision.reason };
      if (decision.kind === "refuse") {
        throw new AppError("conflict", `${machine.name ?? machine.mac}: ${decision.reason}`, {
          hint: decision.hint,
        });
      }
      const { state, effects } = decision;
      for (const effect of effects) store(tx, effect, now);
      if (state === undefined) {
        deleteMachine(tx, machine.mac);
        journal?.(tx, { kind: "forgotten", mac: machine.mac });
        return { kind: "forgotten", machine, effects };
      }
      saveState(tx, machine.mac, state, machine.name);
      const moved = { ...machine, state };
      journal?.(tx, { kind: "machine", mac: machine.mac, record: recordOf(tx, moved) });
      return { kind: "moved", machine: moved, effects };
    },
    settle(step) {
      if (step.kind === "ignored") return;
      const { machine, effects } = step;
      if (step.kind === "moved") registry.put(machine);
      else registry.remove(machine.mac);
      // Whatever reported for this machine before reports for nothing any more.
      const anew = step.kind === "forgotten" || effects.some(({ kind }) => kind === "install-queued");
      if (anew) claims.end(machine.mac);
      for (const effect of effects) {
        announce(bus, machine, effect, clock.now());
      }
      if (effects.length > 0) feed.state(machine.mac, machine, step.kind === "forgotten");
    },
  };
}

function announce(bus: MachineBus, machine: Machine, effect: Effect, at: number): void {
  const { mac } = machine;
  const fact = { mac, installId: effect.installId, name: machine.name ?? mac, at };
  switch (effect.kind) {
    case "install-queued":
      bus.publish("install.queued", fact);
      return;
    case "install-started":
      bus.publish("install.started", fact);
      return;
    case "stage-reached": {
      const { stage, outcome, message } = effect;
      const reached: MachineEvents["install.stage-reached"] = { ...fact, stage, outcome };
      bus.publish("install.stage-reached", message === undefined ? reached : { ...reached, message });
      return;
    }
    case "install-ended": {
      const reason = effect.reason ?? "";
      if (effect.outcome === "installed") bus.publish("install.finished", fact);
      else if (effect.outcome === "failed") bus.publish("install.failed", { ...fact, reason });
      else if (effect.outcome === "stalled") bus.publish("install.stalled", { ...fact, reason });
      else if (effect.outcome === "cancelled") bus.publish("install.cancelled", fact);
      return;
    }
    case "install-resumed":
      return;
  }
}
