import type { Actor, AuditLog } from "../access/service.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import type { HostControl } from "./host-control.ts";
import type { Machine } from "./machine.ts";
import type { Machines } from "./service.ts";
import type { Wake } from "./wake.client.ts";

/** One thing that was tried to bring a machine to its network boot. */
export interface BootStep {
  step: "queue" | "next-boot" | "reboot" | "wake";
  result: "done" | "failed" | "skipped";
  detail: string;
}

/** Brings machines to their network boot without a hand laid on them. */
export interface Reprovision {
  /**
   * Queues an install of what is installed, changed by `spec`, and lets the machine start it: by its agent where that
   * is connected, by wake-on-LAN otherwise.
   * @throws `conflict` while it installs, `invalid`.
   */
  reprovision(
    actor: Actor,
    machine: Machine,
    spec: Readonly<Record<string, unknown>>,
  ): Promise<{ machine: Machine; steps: BootStep[] }>;
  wake(actor: Actor, machine: Machine): Promise<BootStep[]>;
}

export function createReprovision({
  machines,
  wake,
  hosts,
  audit,
}: {
  machines: Machines;
  wake: Wake;
  hosts: HostControl | undefined;
  audit: AuditLog;
}): Reprovision {
  async function wakeUp({ nics }: Machine): Promise<BootStep> {
    try {
      const by = await wake(nics);
      return by.length === 0
        ? { step: "wake", result: "failed", detail: "no interface of this bastion has an address" }
        : {
            step: "wake",
            result: "done",
            detail: `magic packets for ${nics.join(", ")} sent on ${by.join(", ")}; a machine that runs does not heed them`,
          };
    } catch (error) {
      return { step: "wake", result: "failed", detail: toAppError(error).message };
    }
  }

  async function restart(
    actor: Actor,
    machine: Machine,
    control: HostControl,
    server: string,
  ): Promise<BootStep[]> {
    const order = (operation: "boot-from-network" | "reboot") =>
      control
        .operate(actor, server, operation)
        .catch((error: unknown) => ({ done: false, said: toAppError(error).message }));
    const byHand = "if its boot order has the disk first, choose the network in its boot menu";
    const steps: BootStep[] = [];
    if (machine.summary?.firmware === "bios") {
      const detail = `a BIOS cannot be told its next start: ${byHand}`;
      steps.push({ step: "next-boot", result: "skipped", detail });
    } else {
      const { done, said } = await order("boot-from-network");
      const detail = done ? said : `${said}: ${byHand}`;
      steps.push({ step: "next-boot", result: done ? "done" : "failed", detail });
    }
    const { done, said } = await order("reboot");
    const detail = done ? `server/${server} starts anew` : `${said}; restart server/${server} by hand`;
    return [...steps, { step: "reboot", result: done ? "done" : "failed", detail }];
  }

  return {
    async reprovision(actor, machine, spec) {
      const [last] = machines.installsOf(machine.mac);
      // Its data volume is kept, whatever the install before did with it, unless this one says otherwise.
      const wanted = { ...last?.spec, wipe: false, ...spec };
      if (!("os" in wanted)) {
        throw new AppError(
          "invalid",
          `${machine.name ?? machine.mac} was never installed: say what it gets`,
          {
            hint: "--os debian-12, for example",
          },
        );
      }
      const queued = await machines.installs.queue(actor, machine.mac, wanted, { replace: "idle" });
      const name = queued.name ?? queued.mac;
      const step: BootStep = {
        step: "queue",
        result: "done",
        detail: `${name}: its next network boot installs ${String(wanted.os)}`,
      };
      const server = hosts?.connected(queued.nics);
      const steps =
        hosts === undefined || server === undefined
          ? [await wakeUp(queued)]
          : await restart(actor, queued, hosts, server);
      return { machine: queued, steps: [step, ...steps] };
    },
    async wake(actor, machine) {
      const step = await wakeUp(machine);
      await audit.record(actor, {
        action: "machines:wake",
        resource: `machine/${machine.mac}`,
        result: step.result === "done" ? "allowed" : "failed",
        detail: step.detail,
      });
      return [step];
    },
  };
}
