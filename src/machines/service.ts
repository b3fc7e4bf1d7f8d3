import type { Mac } from "../platform/mac.ts";
import type { BootOrder, BootRequest, MachineBootOptions } from "./boot-order.ts";

export type { BootFiles, BootOrder, BootRequest, LocalBoot, MachineBootOptions } from "./boot-order.ts";

/** What the boot room asks of this one. */
export interface BootOrders {
  /** What the machine that is booting now gets. A queued one gets a fresh one-time token with each call. */
  orderFor(request: BootRequest): Promise<BootOrder>;
  /** From memory: asked for each DHCP packet. `undefined` for a machine without options of its own. */
  bootOptions(mac: Mac): MachineBootOptions | undefined;
  /** The MAC a machine is kept under, for any of its network cards; `undefined` when it is unknown. */
  primaryMac(mac: Mac): Mac | undefined;
}
