import type { Queries } from "../store/database.ts";
import type { MachineFact, MachineRecord } from "./fact.ts";
import { findInstall } from "./install-repository.ts";
import { type LogRepository, ringLines } from "./log-repository.ts";
import type { Machine } from "./machine.ts";
import { loadMachines } from "./repository.ts";

/** The machine as others are told of it, with its current install as the transaction sees it. */
export function recordOf(tx: Queries, machine: Machine): MachineRecord {
  const { bootOptions: _, nics, ...rest } = machine;
  const { state } = machine;
  const install = "installId" in state ? findInstall(tx, state.installId) : undefined;
  if (install === undefined) return { machine: { ...rest, nics: [...nics] } };
  const { mac: __, spec, ...said } = install;
  return { machine: { ...rest, nics: [...nics] }, install: { ...said, name: spec.name, role: spec.role } };
}

/** Every machine with the stages of its current install; its log where that may still matter. */
export function tellAll(tx: Queries, logs: LogRepository): MachineFact[] {
  return loadMachines(tx).flatMap((machine): MachineFact[] => {
    const { mac, state } = machine;
    const record: MachineFact = { kind: "machine", mac, record: recordOf(tx, machine) };
    if (!("installId" in state)) return [record];
    const { installId } = state;
    const stages = logs
      .reportsOf(tx, installId)
      .map((report): MachineFact => ({ kind: "stage", mac, ...report }));
    const batches = state.kind === "installed" ? [] : logs.batchesAfter(tx, mac, 0, ringLines);
    const lines = batches
      .filter((batch) => batch.installId === installId)
      .map(
        ({ event, at, lines: stored }): MachineFact => ({
          kind: "lines",
          mac,
          installId,
          event,
          at,
          lines: [...stored],
        }),
      );
    return [record, ...stages, ...lines];
  });
}
