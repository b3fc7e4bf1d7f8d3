import { machineSchema } from "../machines/api.ts";
import { localBootMethods } from "../machines/boot-order.ts";
import { at, read } from "./client.ts";
import { outputFlag } from "./define.ts";
import { printRecord } from "./output.ts";
import { machineArgument } from "./provision-list.ts";
import { defineRemoteCommand } from "./remote.ts";
import { outputFormat } from "./settings.ts";

export const options = defineRemoteCommand({
  summary: "what one machine's firmware needs; without flags, what is set",
  example: "labctl provision options node1 --uefi grub --local-boot exit",
  args: {
    machine: machineArgument,
    uefi: {
      type: "enum",
      options: ["ipxe", "snponly", "grub"],
      description: "loader offered to UEFI firmware",
    },
    "local-boot": {
      type: "enum",
      options: [...localBootMethods],
      description: "how it is handed to its disk",
    },
    idle: {
      type: "enum",
      options: ["discover", "local"],
      description: "what it boots once discovered while nothing is queued",
    },
    "discovery-control": {
      type: "boolean",
      description: "send PXE discovery control 8 (option 43.6); --no-discovery-control does not",
    },
    "kernel-args": { type: "string", description: "added to the kernel arguments of all it boots" },
    ...outputFlag,
  },
  run: async (flags, { client }) => {
    const wanted = {
      uefi: flags.uefi,
      localBoot: flags["local-boot"],
      idle: flags.idle,
      discoveryControl: flags["discovery-control"],
      kernelArgs: flags["kernel-args"],
    };
    const changes = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
    const machine = await read(
      client.v1.machines[":machine"]["boot-options"].$post({
        ...at({ machine: flags.machine }),
        json: changes,
      }),
      machineSchema,
    );
    const set = machine.bootOptions ?? {};
    printRecord(
      set,
      [
        { title: "UEFI", value: ({ uefi }) => uefi },
        { title: "LOCAL BOOT", value: ({ localBoot }) => localBoot },
        { title: "IDLE", value: ({ idle }) => idle },
        {
          title: "DISCOVERY CONTROL",
          value: ({ discoveryControl }) =>
            discoveryControl === undefined ? undefined : String(discoveryControl),
        },
        { title: "KERNEL ARGS", value: ({ kernelArgs }) => kernelArgs },
      ],
      outputFormat(flags.output),
    );
  },
});
