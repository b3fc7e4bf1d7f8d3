import type { Actor, AuditLog } from "../access/service.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import type { Mac } from "../platform/mac.ts";
import type { Queries, Store } from "../store/database.ts";
import type { Discovery } from "./discovery-service.ts";
import type { Enrolment } from "./enrolment.ts";
import type { InstallSettings, RenderFor } from "./install-rendering.ts";
import { deleteTokens, findInstall, insertInstall } from "./install-repository.ts";
import { type InstallSpec, parseInstallSpec } from "./install-spec.ts";
import type { Machine } from "./machine.ts";
import type { Replace, RestState } from "./model.ts";
import type { Registry } from "./registry.ts";
import { appendHistory, findByName, findMachine, insertMachine } from "./repository.ts";
import { createInstallId } from "./token.ts";
import type { Transitions } from "./transitions.ts";

export interface Installs {
  /**
   * Queues an install after rendering it once as a check. A MAC nobody has seen yet is taken too.
   * @throws `invalid`, `conflict`: name, disk, image or template will not do, or the state does not allow it.
   */
  queue(
    actor: Actor,
    mac: Mac,
    spec: Readonly<Record<string, unknown>>,
    options: { replace: Replace },
  ): Promise<Machine>;
  /** Takes a queued install back: the machine is what it was before. @throws `not-found`, `conflict`. */
  cancel(actor: Actor, mac: Mac): Promise<Machine>;
  /** @throws `not-found`, `conflict` while it installs. */
  forget(actor: Actor, mac: Mac, options: { force: boolean }): Promise<void>;
}

export function createInstalls({
  store,
  clock,
  audit,
  logger,
  registry,
  discovery,
  transitions,
  render,
  settings,
  enrolment,
}: {
  store: Store;
  clock: Clock;
  audit: AuditLog;
  logger: Logger;
  registry: Registry;
  discovery: Discovery;
  transitions: Transitions;
  render: RenderFor;
  settings: InstallSettings;
  enrolment?: Enrolment | undefined;
}): Installs {
  /** Renders what the machine will get, for the firmware it has; for both where that is not known. */
  async function check(spec: InstallSpec, mac: Mac, known: Machine | undefined): Promise<void> {
    const inventory = known && discovery.inventoryOf(known.mac);
    const firmware = inventory?.firmware.mode;
    for (const each of firmware === undefined ? (["bios", "uefi"] as const) : [firmware]) {
      await render({
        spec,
        mac,
        firmware: each,
        arch: inventory?.architecture === "aarch64" ? "arm64" : "x86_64",
        // RFC 5737: an address that stands for the one the machine will see.
        baseUrl: "http://192.0.2.1:8080",
        token: "x".repeat(43),
        inventory,
        kernelArgs: known?.bootOptions?.kernelArgs,
        ...(enrolment && { agent: enrolment.sample }),
      });
    }
  }

  function known(tx: Queries, mac: Mac): Machine {
    const machine = findMachine(tx, registry.byMac(mac)?.mac ?? mac);
    if (machine === undefined) throw new AppError("not-found", `${mac} is not known`);
    return machine;
  }

  return {
    async queue(actor, mac, input, { replace }) {
      const spec = parseInstallSpec({ ...input, sshKeys: withKeys(input.sshKeys, settings.sshKeys) });
      const known = registry.byMac(mac);
      const primary = known?.mac ?? mac;
      await check(spec, primary, known);
      const now = clock.now();
      const installId = createInstallId(now);
      const step = await store.transaction(async (tx) => {
        const holder = findByName(tx, spec.name);
        if (holder !== undefined && holder !== primary) {
          throw new AppError("conflict", `the name '${spec.name}' is taken by ${holder}`, {
            hint: `choose another, or labctl provision forget ${holder}`,
          });
        }
        let machine = findMachine(tx, primary);
        if (machine === undefined) {
          const state = { kind: "discovered", since: now } as const;
          machine = { mac: primary, nics: [primary], state, firstSeenAt: now, seenAt: now };
          insertMachine(tx, machine, undefined);
        }
        insertInstall(tx, { id: installId, mac: primary, os: spec.os, spec, queuedAt: now });
        const queued = { ...machine, name: spec.name, role: spec.role };
        const taken = transitions.take(tx, queued, { kind: "queue", installId, replace });
        await audit.append(tx, actor, {
          action: "machines:install",
          resource: `machine/${primary}`,
          detail: `${spec.name}: ${spec.os}, ${spec.role}`,
        });
        return taken;
      });
      transitions.settle(step);
      logger.info("install queued", { mac: primary, name: spec.name, os: spec.os, install: installId });
      const queued = registry.byMac(primary);
      if (queued === undefined) throw new AppError("internal", `${primary} was queued and is not known`);
      return queued;
    },
    async cancel(actor, mac) {
      const step = await store.transaction(async (tx) => {
        const machine = known(tx, mac);
        const before = machine.state.kind === "queued" ? machine.state.before : undefined;
        const taken = transitions.take(tx, asBefore(tx, machine, before), { kind: "cancel" });
        // What reported for it ended when it was queued; a restart must not bring it back.
        if (before !== undefined && "installId" in before) deleteTokens(tx, before.installId);
        appendHistory(tx, machine.mac, clock.now(), [`the queued install of ${machine.name} was cancelled`]);
        await audit.append(tx, actor, {
          action: "machines:install",
          resource: `machine/${machine.mac}`,
          detail: `${machine.name}: cancelled`,
        });
        return taken;
      });
      transitions.settle(step);
      if (step.kind !== "moved") throw new AppError("internal", `${mac} was cancelled and is not known`);
      logger.info("install cancelled", { mac: step.machine.mac });
      return step.machine;
    },
    async forget(actor, mac, { force }) {
      const step = await store.transaction(async (tx) => {
        const machine = known(tx, mac);
        const taken = transitions.take(tx, machine, { kind: "forget", force });
        await audit.append(tx, actor, { action: "machines:forget", resource: `machine/${machine.mac}` });
        return taken;
      });
      transitions.settle(step);
      logger.info("machine forgotten", { mac });
    },
  };
}

/**
 * The machine with the role of the install it goes back to, and with its name unless another machine took that
 * meanwhile; with none where there was no install.
 */
function asBefore(tx: Queries, machine: Machine, before: RestState | undefined): Machine {
  if (before === undefined) return machine;
  const spec = "installId" in before ? findInstall(tx, before.installId)?.spec : undefined;
  const holder = spec === undefined ? undefined : findByName(tx, spec.name);
  const name = holder === undefined || holder === machine.mac ? spec?.name : machine.name;
  return { ...machine, name, role: spec?.role };
}

/** The keys of one install and those of all; what is no list is left for the schema to refuse. */
function withKeys(own: unknown, shared: readonly string[]): unknown {
  if (own === undefined) return shared;
  return Array.isArray(own) ? [...new Set([...own, ...shared])] : own;
}
