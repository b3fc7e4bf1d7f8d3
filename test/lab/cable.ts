import { join } from "node:path";
import type { LabNetwork } from "./network.ts";
import type { Starter } from "./process.ts";
import type { Scope } from "./scope.ts";

export interface CableFaults {
  /** Share of frames that are lost, 0 to 1, in each direction. */
  loss: number;
  /** Milliseconds each frame takes longer. */
  delayMs: number;
  /** The same seed loses the same frames. */
  seed: number;
}

export interface Cable {
  /** The `-netdev` backend of the machine's end. */
  backend: string;
  /** Pulls it out: nothing gets through any more, and the card does not notice. */
  unplug(): void;
  plugIn(): void;
}

/**
 * A bad cable between a virtual machine and the bridge, in user space because this needs no queueing discipline
 * of the kernel: VM ⇄ UDP ⇄ relay (loses, delays) ⇄ UDP ⇄ a QEMU without a machine that joins it to a tap.
 */
export async function createCable(
  { scope, network, start }: { scope: Scope; network: LabNetwork; start: Starter },
  directory: string,
  faults: CableFaults,
): Promise<Cable> {
  const tap = await network.addTap();
  const ports = { machine: 4001, relayIn: 4002, relayOut: 4003, joint: 4004 };
  const relay = start(
    [process.execPath, join(import.meta.dir, "cable-relay.ts"), JSON.stringify({ ...ports, ...faults })],
    { namespace: network.lan, log: join(directory, "cable.log") },
  );
  scope.defer(() => relay.stop());
  const dgram = (local: number, remote: number) =>
    `dgram,local.type=inet,local.host=127.0.0.1,local.port=${local},` +
    `remote.type=inet,remote.host=127.0.0.1,remote.port=${remote}`;
  const joint = start(
    [
      ...["qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none"],
      ...["-netdev", `tap,id=tap,ifname=${tap},script=no,downscript=no`],
      ...["-netdev", `${dgram(ports.joint, ports.relayOut)},id=wire`],
      ...["-netdev", "hubport,id=a,hubid=0,netdev=tap", "-netdev", "hubport,id=b,hubid=0,netdev=wire"],
    ],
    { namespace: network.lan, log: join(directory, "cable.log") },
  );
  scope.defer(() => joint.stop());
  return {
    backend: dgram(ports.machine, ports.relayIn),
    unplug: () => relay.kill("SIGUSR1"),
    plugIn: () => relay.kill("SIGUSR2"),
  };
}
