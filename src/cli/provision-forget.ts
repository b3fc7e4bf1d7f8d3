import { at } from "./client.ts";
import { print } from "./output.ts";
import { machineArgument } from "./provision-list.ts";
import { defineRemoteCommand } from "./remote.ts";

export const forget = defineRemoteCommand({
  summary: "remove a machine's record, its queued install and its logs; its disks are not touched",
  example: "labctl provision forget node1",
  args: {
    machine: machineArgument,
    force: { type: "boolean", description: "even while an install is running; its reports are then refused" },
  },
  run: async ({ machine, force }, { client }) => {
    await client.v1.machines[":machine"].$delete({
      ...at({ machine }),
      query: { force: force === true ? "true" : "false" },
    });
    print(`${machine} is forgotten; its next network boot discovers it again`);
  },
});
