import type { z } from "zod";
import { serverView } from "../fleet/api.ts";
import { bootStepsSchema, machineListSchema, reprovisionedSchema } from "../machines/api.ts";
import { AppError } from "../platform/errors.ts";
import { at, type Client, read, readList } from "./client.ts";
import { outputFlag } from "./define.ts";
import { formatData, print } from "./output.ts";
import { machineArgument } from "./provision-list.ts";
import { readSpecFlags, specFlags } from "./provision-spec.ts";
import { defineRemoteCommand } from "./remote.ts";
import { outputFormat } from "./settings.ts";

const machineOrServer = { ...machineArgument, description: "MAC address or name, or server/NAME" } as const;

export const reprovision = defineRemoteCommand({
  summary: "install a machine anew, keeping its data volume, and let it start into that by itself",
  example: "labctl provision reprovision server/node1 --wait",
  args: {
    machine: machineOrServer,
    ...specFlags,
    name: { type: "string", description: "host name it gets; its present one when left out" },
    wait: { type: "boolean", description: "then wait for it to end" },
    ...outputFlag,
  },
  run: async (flags, { client, many }) => {
    const machine = await machineOf(client, flags.machine);
    const given = readSpecFlags(flags, many);
    const spec = flags.name === undefined ? given : { ...given, name: flags.name };
    const answer = await read(
      client.v1.machines[":machine"].reprovision.$post({ ...at({ machine }), json: { spec } }),
      reprovisionedSchema,
    );
    show(answer, outputFormat(flags.output));
    if (flags.wait === true) {
      const { waitForInstall } = await import("./provision-wait.ts");
      await waitForInstall(client, answer.machine.mac, undefined);
    }
  },
});

export const wake = defineRemoteCommand({
  summary: "switch a machine on over the network (wake-on-LAN)",
  example: "labctl provision wake node1",
  args: { machine: machineOrServer, ...outputFlag },
  run: async ({ machine, output }, { client }) => {
    const word = await machineOf(client, machine);
    const answer = await read(
      client.v1.machines[":machine"].wake.$post(at({ machine: word })),
      bootStepsSchema,
    );
    show(answer, outputFormat(output));
  },
});

function show(answer: z.output<typeof bootStepsSchema>, format: ReturnType<typeof outputFormat>): void {
  if (format !== "table") print(formatData(answer, format));
  else
    for (const { step, result, detail } of answer.steps)
      print(`${step.padEnd(9)} ${result.padEnd(7)} ${detail}`);
  const last = answer.steps.at(-1);
  // Whoever reads no lines has to hear that nobody starts the machine.
  if (last?.result === "failed") process.exitCode = 7;
}

/** A server is the machine that has one of its network cards. */
async function machineOf(client: Client, word: string): Promise<string> {
  if (!word.startsWith("server/")) return word.replace(/^machine\//, "");
  const name = word.slice("server/".length);
  const { macs } = await read(client.v1.servers[":name"].$get(at({ name })), serverView);
  const machines = await readList((page) => client.v1.machines.$get(page), machineListSchema);
  const found = machines.find(
    ({ nics, bastion }) => bastion === undefined && nics.some((nic) => macs.includes(nic)),
  );
  if (found) return found.mac;
  throw new AppError("not-found", `no machine of this bastion has a network card of ${word}`, {
    hint: "it was not installed here: labctl provision list",
  });
}
