import { machineSchema } from "../machines/api.ts";
import { AppError } from "../platform/errors.ts";
import { at, read } from "./client.ts";
import { outputFlag } from "./define.ts";
import { print, printRecord } from "./output.ts";
import { machineArgument } from "./provision-list.ts";
import { readSpecFlags, specFlags } from "./provision-spec.ts";
import { defineRemoteCommand } from "./remote.ts";
import { outputFormat } from "./settings.ts";

export const install = defineRemoteCommand({
  summary: "queue an install; the machine's next network boot starts it",
  example:
    "labctl provision install 52:54:00:12:34:56 node1 --role worker --os debian-12 --disk largest --ssh-key ~/.ssh/id_ed25519.pub",
  args: {
    machine: { ...machineArgument, description: "MAC address, or the name it has" },
    name: { type: "positional", required: true, description: "host name it gets" },
    ...specFlags,
    replace: {
      type: "boolean",
      description: "give up what is installed on it, or an install that is queued or running",
    },
    wait: { type: "boolean", description: "then wait for it to end" },
    ...outputFlag,
  },
  run: async (flags, { client, many }) => {
    const { os, ...spec } = readSpecFlags(flags, many);
    if (typeof os !== "string") {
      throw new AppError("usage", "--os is missing", {
        hint: "for example: --os debian-12 or --os image:NAME",
      });
    }
    const json = { spec: { ...spec, name: flags.name, os }, replace: flags.replace === true };
    const queued = await read(
      client.v1.machines[":machine"].install.$post({ ...at({ machine: flags.machine }), json }),
      machineSchema,
    );
    const format = outputFormat(flags.output);
    if (format !== "table") printRecord(queued, [], format);
    else print(`${queued.name} (${queued.mac}) is queued: its next network boot installs ${os}`);
    if (flags.wait === true) {
      const { waitForInstall } = await import("./provision-wait.ts");
      await waitForInstall(client, queued.mac, undefined);
    }
  },
});
