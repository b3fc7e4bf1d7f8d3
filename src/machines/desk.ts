import type { Labels } from "../access/service.ts";
import { AppError } from "../platform/errors.ts";
import type { MachineDetail } from "./api.ts";
import type { InstallLogs } from "./log-service.ts";
import { labelsOf, type Machine } from "./machine.ts";
import { findOperatingSystem } from "./operating-systems.ts";
import type { RemoteMachines } from "./remote-service.ts";
import type { Machines } from "./service.ts";
import { stagesOf } from "./stage.ts";

/** Machines of the bastion here and of those elsewhere, as whoever asks sees them: in one list, told apart by name. */
export interface MachineDesk {
  list(): Machine[];
  known(word: string): Machine | undefined;
  /** @throws `not-found`. */
  find(word: string): Machine;
  /** What the gate and the audit know it by. */
  resource(word: string): { name: string; labels?: Labels };
  /** What a detail has besides the machine itself. */
  detail(machine: Machine): Omit<MachineDetail, keyof Machine | "since">;
  logsOf(machine: Machine): Pick<InstallLogs, "view" | "stagesOf" | "follow">;
  /** The bastion here, for orders about `machine`; without one, for a machine nobody knows yet. @throws `conflict`. */
  own(machine: Machine | undefined): Machines;
}

export function createDesk(own: Machines | undefined, remote: RemoteMachines | undefined): MachineDesk {
  // Its own machines first: a name that both have is this bastion's; the other is asked for as NAME@BASTION.
  const known = (word: string) => own?.known(word) ?? remote?.known(word);
  const resource = (word: string, machine: Machine | undefined) => ({
    name: `machine/${machine === undefined ? word : keyOf(machine)}`,
    ...(machine && { labels: labelsOf(machine) }),
  });

  function ownDetail(machines: Machines, machine: Machine) {
    const installs = machines.installsOf(machine.mac);
    const { state } = machine;
    const current = installs.find(({ id }) => "installId" in state && id === state.installId);
    return {
      expectations: current === undefined ? {} : Object.fromEntries(machines.expectationsFor(current.os)),
      knownStages: knownStages(current?.os),
      installs: installs.map(({ mac: _, spec, ...install }) => ({
        ...install,
        name: spec.name,
        role: spec.role,
      })),
      history: machines.historyOf(machine.mac),
      inventory: machines.discovery.inventoryOf(machine.mac),
    };
  }
  function remoteDetail(machine: Machine) {
    const install = remote?.installOf(machine);
    return {
      expectations: {},
      knownStages: knownStages(install?.os),
      installs: install === undefined ? [] : [install],
      history: [],
    };
  }
  const logsOf = (machine: Machine) => {
    const logs = machine.bastion === undefined ? own?.logs : remote?.logs;
    if (logs === undefined) throw new AppError("internal", `${keyOf(machine)} is kept nowhere`);
    return logs;
  };

  return {
    list: () =>
      [...(own?.list() ?? []), ...(remote?.list() ?? [])].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)),
    known,
    find(word) {
      const machine = known(word);
      if (machine) return machine;
      throw new AppError("not-found", `there is no machine '${word.slice(0, 80)}'`, {
        hint: "labctl provision list shows those there are; NAME@BASTION names one of several",
      });
    },
    resource: (word) => resource(word, known(word)),
    detail: (machine) => ({
      stages: logsOf(machine).stagesOf(machine),
      ...(machine.bastion === undefined && own ? ownDetail(own, machine) : remoteDetail(machine)),
    }),
    logsOf,
    own(machine) {
      if (machine?.bastion !== undefined) {
        throw new AppError(
          "conflict",
          `${machine.name ?? machine.mac} is a machine of bastion/${machine.bastion}`,
          {
            hint: `order it about on that bastion's host`,
          },
        );
      }
      if (own) return own;
      throw new AppError("conflict", "this control plane has no bastion of its own", {
        hint: "installs are ordered on the host of a bastion",
      });
    },
  };
}

/** No two machines share one, though two bastions may have met the same MAC. */
export const keyOf = ({ mac, bastion }: Machine) => (bastion === undefined ? mac : `${mac}@${bastion}`);

function knownStages(os: string | undefined): string[] {
  const system = os === undefined ? undefined : findOperatingSystem(os);
  return system === undefined ? [] : [...stagesOf[system.family]];
}
