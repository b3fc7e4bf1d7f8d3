import type { Actor, AuditLog, Labels } from "../access/service.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import { type Mac, readMac } from "../platform/mac.ts";
import { type Precondition, whatever } from "../platform/precondition.ts";
import type { Queries, Store } from "../store/database.ts";
import type { MachineBootOptions } from "./boot-order.ts";
import { type BootOrders, createBootOrders, type DiscoverySettings } from "./boot-service.ts";
import { createClaims } from "./claims.ts";
import { createDiscovery, type Discovery } from "./discovery-service.ts";
import type { Enrolment } from "./enrolment.ts";
import type { MachineBus } from "./events.ts";
import { type Expectation, expectations } from "./expectation.ts";
import type { Journal, MachineFact } from "./fact.ts";
import { createFeed } from "./feed.ts";
import { createInstallRendering, type FindImage, type InstallSettings } from "./install-rendering.ts";
import { claimedTokens, type InstallRecord, installsOf, pastInstalls } from "./install-repository.ts";
import { createInstalls, type Installs } from "./install-service.ts";
import { createLogRepository } from "./log-repository.ts";
import { createInstallLogs, type InstallLogs } from "./log-service.ts";
import { labelsOf, type Machine } from "./machine.ts";
import { tellAll } from "./record.ts";
import { createRegistry } from "./registry.ts";
import type { TemplateTexts } from "./render.ts";
import { createReports, type Reports } from "./report-service.ts";
import { findMachine, type HistoryEntry, loadMachines, readHistory, saveBootOptions } from "./repository.ts";
import { createTails } from "./tails.ts";
import { parseTemplates, renderTemplate } from "./template.ts";
import { createTransitions } from "./transitions.ts";

export type {
  BootFiles,
  BootOrder,
  BootRequest,
  LocalBoot,
  MachineBootOptions,
} from "./boot-order.ts";
export type { BootOrders } from "./boot-service.ts";
export type { Enrolment, JoinOffer } from "./enrolment.ts";
export type { MachineEvents } from "./events.ts";
export { describeExpectation, total as wholeInstall } from "./expectation.ts";
export { type Journal, type MachineFact, machineFact } from "./fact.ts";
export type { HostControl } from "./host-control.ts";
export { installSpecSchema } from "./install-spec.ts";
export { labelsOf, type Machine } from "./machine.ts";
export { operatingSystems } from "./operating-systems.ts";
export { createRemoteMachines, type RemoteMachines } from "./remote-service.ts";
export { roles as machineRoles } from "./roles.ts";

export interface MachinesDeps {
  store: Store;
  clock: Clock;
  audit: AuditLog;
  logger: Logger;
  bus: MachineBus;
  templates: TemplateTexts;
  findImage: FindImage;
  /** The addresses our DHCP server leased to a MAC; none where somebody else's does. */
  leasesOf: (mac: Mac) => readonly string[];
  settings: InstallSettings & DiscoverySettings;
  /** Where a control plane runs: installed systems join it by themselves. */
  enrolment?: Enrolment;
  /** Where labd is elsewhere: what is kept to be told to it. */
  journal?: Journal;
}

/** Bare metal: what there is, what it boots, how its installs go. */
export interface Machines {
  readonly orders: BootOrders;
  readonly discovery: Discovery;
  readonly installs: Installs;
  readonly reports: Reports;
  readonly logs: InstallLogs;
  /** The kickstart that discovers a machine from Fedora's own installer. */
  discoverKickstart(): string;
  list(): Machine[];
  /** By MAC, of any of its cards, or by name. */
  known(macOrName: string): Machine | undefined;
  /** As `known`. @throws `not-found`. */
  find(macOrName: string): Machine;
  /** What the gate and the audit know it by: rights may hold for machines of certain roles only. */
  resource(macOrName: string): { name: string; labels?: Labels };
  installsOf(mac: Mac): InstallRecord[];
  historyOf(mac: Mac): HistoryEntry[];
  /** From past installs of the same system, by stage and in `total`. */
  expectationsFor(os: string): Map<string, Expectation>;
  /** Options that are not given stay. */
  setBootOptions(
    actor: Actor,
    mac: Mac,
    options: MachineBootOptions,
    precondition?: Precondition,
  ): Promise<Machine>;
  /** All that is now, as facts: what somebody is told who has heard nothing yet. */
  tell(tx: Queries): MachineFact[];
  /** Ends every stream of events. */
  close(): void;
}

/** Installs that are looked back on for an expectation. */
const lookBack = 10;

export function createMachines(deps: MachinesDeps): Machines {
  const { store, clock, audit, logger, bus, settings, journal } = deps;
  const registry = createRegistry(loadMachines(store.read));
  const claims = createClaims(claimedTokens(store.read));
  const repository = createLogRepository();
  const tails = createTails(repository);
  const feed = createFeed(clock);
  const transitions = createTransitions({ clock, registry, claims, bus, feed, journal, logs: repository });
  const templates = parseTemplates(deps.templates);
  const render = createInstallRendering(templates, deps.findImage, settings);
  const discovery = createDiscovery({ store, clock, logger, registry, bus, journal });
  const logs = createInstallLogs({ store, clock, registry, repository, tails, feed, bus, journal });
  const shared = { store, clock, logger, registry, discovery, render, enrolment: deps.enrolment };
  const known = (macOrName: string) => {
    const mac = readMac(macOrName);
    return (mac && registry.byMac(mac)) ?? registry.byName(macOrName);
  };
  return {
    orders: createBootOrders({ ...shared, settings }),
    discovery,
    installs: createInstalls({ ...shared, audit, transitions, settings }),
    reports: createReports({
      ...shared,
      claims,
      transitions,
      leasesOf: deps.leasesOf,
      logs,
      repository,
      tails,
      feed,
      journal,
    }),
    logs,
    discoverKickstart: () => renderTemplate(templates, "fedora/discover.ks", {}),
    list: () => [...registry.all()].sort((a, b) => (a.mac < b.mac ? -1 : 1)),
    known,
    find(macOrName) {
      const machine = known(macOrName);
      if (machine) return machine;
      throw new AppError("not-found", `there is no machine '${macOrName.slice(0, 80)}'`, {
        hint: "labctl provision list shows those there are",
      });
    },
    resource(macOrName) {
      const machine = known(macOrName);
      return { name: `machine/${machine?.mac ?? macOrName}`, ...(machine && { labels: labelsOf(machine) }) };
    },
    installsOf: (mac) => installsOf(store.read, mac),
    historyOf: (mac) => readHistory(store.read, mac),
    expectationsFor: (os) => expectations(pastInstalls(store.read, os, lookBack)),
    async setBootOptions(actor, mac, options, precondition = whatever) {
      const changed = await store.transaction(async (tx) => {
        const machine = findMachine(tx, mac);
        if (machine === undefined) throw new AppError("not-found", `${mac} is not known`);
        precondition(machine.bootOptions ?? {});
        const bootOptions = { ...machine.bootOptions, ...options };
        saveBootOptions(tx, mac, bootOptions);
        await audit.append(tx, actor, {
          action: "machines:update",
          resource: `machine/${mac}`,
          detail: JSON.stringify(options),
        });
        return { ...machine, bootOptions };
      });
      registry.put(changed);
      return changed;
    },
    tell: (tx) => tellAll(tx, repository),
    close: () => feed.close(),
  };
}
