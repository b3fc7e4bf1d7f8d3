import { machineSchema } from "../machines/api.ts";
import { defineCommand } from "./define.ts";
import { connect } from "./labd-connection.ts";
import { print } from "./output.ts";
import { machineArgument, machinePath } from "./provision-list.ts";

export const cancel = defineCommand({
  summary: "take a queued install back; the machine is what it was before",
  example: "labctl provision cancel node1",
  args: { machine: machineArgument },
  run: async ({ machine }) => {
    const { mac, state } = await connect().post(`${machinePath(machine)}/cancel`, {}, machineSchema);
    print(`the queued install of ${machine} is cancelled: ${mac} is ${state}, as before`);
  },
});
