import { machineSchema } from "../machines/api.ts";
import { at, read } from "./client.ts";
import { print } from "./output.ts";
import { machineArgument } from "./provision-list.ts";
import { defineRemoteCommand } from "./remote.ts";

export const cancel = defineRemoteCommand({
  summary: "take a queued install back; the machine is what it was before",
  example: "labctl provision cancel node1",
  args: { machine: machineArgument },
  run: async ({ machine }, { client }) => {
    const { mac, state } = await read(
      client.v1.machines[":machine"].cancel.$post(at({ machine })),
      machineSchema,
    );
    print(`the queued install of ${machine} is cancelled: ${mac} is ${state}, as before`);
  },
});
