import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { probeAccelerator } from "./accelerator.ts";
import { type CableFaults, createCable } from "./cable.ts";
import { createDisk, createMachine, type Machine } from "./machine.ts";
import type { Accelerator, Disk, Firmware, MachineParts, NicModel } from "./machine-arguments.ts";
import { createNetwork, type LabNetwork } from "./network.ts";
import { type LabProcess, type Starter, start } from "./process.ts";
import { createScope, type Scope } from "./scope.ts";

export const top = join(import.meta.dir, "../..");

export interface MachineOptions {
  name: string;
  firmware: Firmware;
  nic?: NicModel;
  romfile?: string;
  memoryMiB?: number;
  /** Sizes in GiB of blank disks; one of 8 GiB when absent. */
  disks?: number[];
  bus?: Disk["bus"];
  iso?: string;
  kernel?: MachineParts["kernel"];
  bootOrder?: MachineParts["bootOrder"];
  cable?: CableFaults;
}

/** A lab: a network nobody else is on, a directory for its files, machines. Closing it leaves nothing behind. */
export interface Lab extends AsyncDisposable {
  readonly directory: string;
  readonly network: LabNetwork;
  readonly scope: Scope;
  readonly machines: readonly Machine[];
  readonly accelerator: Accelerator;
  say(text: string): void;
  readonly start: Starter;
  addMachine(options: MachineOptions): Promise<Machine>;
  /** Copies logs and a screenshot of every running machine to `directory`. */
  keepEvidence(directory: string): Promise<void>;
  /** The pids of everything started that still runs. */
  pids(): number[];
  close(): Promise<void>;
}

export interface LabOptions {
  say: (text: string) => void;
  /** Its processes may outlive this one: for a lab that is left up. */
  outlive?: boolean;
}

export async function createLab(options: LabOptions): Promise<Lab> {
  const scope = createScope();
  try {
    const directory = mkdtempSync(join(tmpdir(), "labctl-lab-"));
    scope.defer(() => rmSync(directory, { recursive: true, force: true }));
    const accelerator = await probeAccelerator();
    const network = await createNetwork(scope, options);
    const processes: LabProcess[] = [];
    const starter: Starter = (command, each) => {
      const child = start(command, { outlive: options.outlive === true, ...each });
      processes.push(child);
      return child;
    };
    const pids = () => processes.filter((child) => child.running()).map((child) => child.pid);
    return assemble(scope, { directory, network, accelerator, say: options.say, start: starter, pids });
  } catch (error) {
    await scope.close();
    throw error;
  }
}

function assemble(
  scope: Scope,
  parts: Pick<Lab, "directory" | "network" | "accelerator" | "say" | "start" | "pids">,
): Lab {
  const { directory, network, accelerator } = parts;
  const machines: Machine[] = [];
  return {
    ...parts,
    scope,
    machines,
    async addMachine(options) {
      const number = machines.length + 1;
      const home = join(directory, options.name);
      mkdirSync(home, { recursive: true });
      const disks: Disk[] = [];
      for (const [index, size] of (options.disks ?? [8]).entries()) {
        const path = join(home, `disk${index}.qcow2`);
        await createDisk(path, size);
        disks.push({
          path,
          format: "qcow2",
          bus: options.bus ?? "virtio",
          serial: `LAB${number}DISK${index}`,
        });
      }
      const cable = options.cable && (await createCable({ scope, ...parts }, home, options.cable));
      const backend = cable?.backend ?? `tap,ifname=${await network.addTap()},script=no,downscript=no`;
      const machine = createMachine(scope, {
        cable,
        directory: home,
        namespace: network.lan,
        say: parts.say,
        start: parts.start,
        parts: {
          name: options.name,
          firmware: options.firmware,
          // This host's hardware runs machines of its own architecture only.
          accelerator: options.firmware === "uefi-arm64" ? "tcg" : accelerator,
          memoryMiB: options.memoryMiB ?? 2048,
          cpus: 2,
          uuid: `6c616263-746c-4000-8000-${number.toString(16).padStart(12, "0")}`,
          serial: `LAB-${number}`,
          nics: [
            {
              mac: `52:54:00:1a:b0:${number.toString(16).padStart(2, "0")}`,
              model: options.nic ?? "virtio-net-pci",
              backend,
              // UEFI brings its own driver for virtio only; the other cards need their ROM.
              romfile:
                options.romfile ??
                (options.firmware !== "bios" && (options.nic ?? "virtio-net-pci") === "virtio-net-pci"
                  ? ""
                  : undefined),
            },
          ],
          disks,
          iso: options.iso,
          kernel: options.kernel,
          bootOrder: options.bootOrder ?? ["network", "disk"],
        },
      });
      machines.push(machine);
      return machine;
    },
    async keepEvidence(to) {
      for (const machine of machines) await machine.screenshot("screen").catch(() => undefined);
      rmSync(to, { recursive: true, force: true });
      // Logs and pictures only: disks are large, sockets cannot be copied.
      const wanted = (path: string) => !/\.(qcow2|raw|fd|iso|sock|db|db-wal|db-shm)$|\/qmp$/.test(path);
      cpSync(directory, to, { recursive: true, filter: wanted });
    },
    close: () => scope.close(),
    [Symbol.asyncDispose]: () => scope.close(),
  };
}
