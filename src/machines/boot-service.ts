import type { Clock } from "../platform/clock.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import type { Mac } from "../platform/mac.ts";
import type { Store } from "../store/database.ts";
import {
  type BootFiles,
  type BootOrder,
  type BootRequest,
  decideBoot,
  type MachineBootOptions,
} from "./boot-order.ts";
import type { Discovery } from "./discovery-service.ts";
import { joinArgs, type RenderFor } from "./install-rendering.ts";
import { findInstall, insertToken } from "./install-repository.ts";
import type { Machine } from "./machine.ts";
import { findOperatingSystem } from "./operating-systems.ts";
import { createRateLimit } from "./rate-limit.ts";
import type { Registry } from "./registry.ts";
import { createToken, hashToken } from "./token.ts";

/** What the boot room asks of this one. */
export interface BootOrders {
  /** What the machine that is booting now gets. A queued one gets a fresh one-time token with each call. */
  orderFor(request: BootRequest): Promise<BootOrder>;
  /** What a machine that was discovered, and waits in the RAM environment, does next. */
  waitingOrder(mac: Mac, from: { clientIp: string; baseUrl: string }): Promise<WaitingOrder>;
  /** From memory: asked for each DHCP packet. `undefined` for a machine without options of its own. */
  bootOptions(mac: Mac): MachineBootOptions | undefined;
  /** The MAC a machine is kept under, for any of its network cards; `undefined` when it is unknown. */
  primaryMac(mac: Mac): Mac | undefined;
}

export type WaitingOrder =
  | { order: "wait" | "reboot" }
  /** The install can run right where it waits. */
  | { order: "install"; token: string };

export interface DiscoverySettings {
  kernelArgs: string;
  /** What a discovered machine does next. */
  after: "wait" | "poweroff";
}

/** Tokens made for one machine: anybody can ask in its name. */
const tokenRate = { burst: 20, perSecond: 0.5 };

export function createBootOrders({
  store,
  clock,
  logger,
  registry,
  discovery,
  render,
  settings,
}: {
  store: Store;
  clock: Clock;
  logger: Logger;
  registry: Registry;
  discovery: Discovery;
  render: RenderFor;
  settings: DiscoverySettings;
}): BootOrders {
  const tokens = createRateLimit(tokenRate);

  function discoverBoot(request: BootRequest, options: MachineBootOptions | undefined): BootFiles {
    const path = `/ram/${request.arch}`;
    const extra = joinArgs(settings.kernelArgs, options?.kernelArgs);
    return {
      kernel: `${path}/vmlinuz`,
      initrds: [`${path}/initrd.img`],
      args: [
        `labctl.url=${request.baseUrl}`,
        `labctl.mac=${request.mac}`,
        "labctl.task=discover",
        `labctl.after=${settings.after}`,
        `BOOTIF=01-${request.mac.replaceAll(":", "-")}`,
        ...extra.split(/\s+/).filter((word) => word !== ""),
      ],
    };
  }

  async function installOrder(request: BootRequest, machine: Machine, installId: string): Promise<BootOrder> {
    if (!tokens.take(machine.mac, 1, clock.now())) {
      throw new AppError("too-many", "this machine asks too often; it will be answered in a minute");
    }
    const { mac, firmware, arch, baseUrl } = request;
    const install = findInstall(store.read, installId);
    if (install === undefined) return menu(request, machine, "its install is no longer there");
    const token = createToken();
    const { boot } = await render({
      spec: install.spec,
      mac,
      firmware,
      arch,
      baseUrl,
      token,
      inventory: discovery.inventoryOf(machine.mac),
      kernelArgs: machine.bootOptions?.kernelArgs,
    });
    const issued = { hash: hashToken(token), installId, mac, firmware, arch, baseUrl, issuedAt: clock.now() };
    await store.transaction((tx) => insertToken(tx, issued));
    return { kind: "install", installId, token, name: install.spec.name, boot };
  }

  const menu = (request: BootRequest, machine: Machine, reason: string): BootOrder => ({
    kind: "menu",
    localMethod: machine.bootOptions?.localBoot ?? "auto",
    reason,
    discover: discoverBoot(request, machine.bootOptions),
  });

  return {
    async orderFor(request) {
      const machine = registry.byMac(request.mac);
      const options = machine?.bootOptions;
      const emptyDisks = machine?.summary?.emptyDisks ?? true;
      const decision = decideBoot(machine?.state, { emptyDisks, idle: options?.idle });
      if (machine === undefined || decision.kind === "discover") {
        return { kind: "discover", boot: discoverBoot(request, options) };
      }
      switch (decision.kind) {
        case "local":
          return { kind: "local", method: options?.localBoot ?? "auto", reason: decision.reason };
        case "menu":
          return menu(request, machine, decision.reason);
        case "install":
          try {
            return await installOrder(request, machine, decision.installId);
          } catch (thrown) {
            // The templates or the image changed since it was queued. A boot loader can only be told in its menu.
            const error = toAppError(thrown);
            logger.error("an install could not be prepared", { mac: machine.mac, error: error.message });
            return menu(request, machine, `the install could not be prepared: ${error.message}`);
          }
      }
    },
    async waitingOrder(mac, { clientIp, baseUrl }) {
      const machine = registry.byMac(mac);
      const state = machine?.state;
      if (machine === undefined || state?.kind !== "queued") return { order: "wait" };
      const system = findInstall(store.read, state.installId)?.os;
      // Anything but an image is installed by its distribution's own kernel.
      if (system === undefined || findOperatingSystem(system)?.family !== "image") return { order: "reboot" };
      const firmware = machine.summary?.firmware ?? "bios";
      const arch = discovery.inventoryOf(machine.mac)?.architecture === "aarch64" ? "arm64" : "x86_64";
      const request: BootRequest = { mac, firmware, arch, via: "ipxe", clientIp, baseUrl };
      const order = await installOrder(request, machine, state.installId);
      return order.kind === "install" ? { order: "install", token: order.token } : { order: "wait" };
    },
    bootOptions: (mac) => registry.byMac(mac)?.bootOptions,
    primaryMac: (mac) => registry.byMac(mac)?.mac,
  };
}
