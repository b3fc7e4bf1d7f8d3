import type { Actor } from "../access/service.ts";
import type { Mac } from "../platform/mac.ts";

/** The agents of installed hosts, where a control plane runs here: they can do what a BMC would be needed for. */
export interface HostControl {
  /** The connected host that has one of these cards. */
  connected(nics: readonly Mac[]): string | undefined;
  /** Does one of the agent's fixed operations; the answer is what it said, or why it failed. */
  operate(
    actor: Actor,
    server: string,
    operation: "boot-from-network" | "reboot",
  ): Promise<{ done: boolean; said: string }>;
}
