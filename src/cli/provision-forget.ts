import { defineCommand } from "./define.ts";
import { connect } from "./labd-connection.ts";
import { print } from "./output.ts";
import { machineArgument, machinePath } from "./provision-list.ts";

export const forget = defineCommand({
  summary: "remove a machine's record, its queued install and its logs; its disks are not touched",
  example: "labctl provision forget node1",
  args: {
    machine: machineArgument,
    force: { type: "boolean", description: "even while an install is running; its reports are then refused" },
  },
  run: async ({ machine, force }) => {
    await connect().delete(`${machinePath(machine)}${force === true ? "?force=true" : ""}`);
    print(`${machine} is forgotten; its next network boot discovers it again`);
  },
});
