import { z } from "zod";
import type { LabBastion } from "./bastion.ts";
import type { Machine } from "./machine.ts";
import { tailOf } from "./process.ts";

/** What `labctl provision list -o json` prints of a machine, as far as the lab looks at it. */
const listed = z.array(z.looseObject({ mac: z.string(), state: z.string() }));
export type Listed = z.output<typeof listed>[number];

export async function listMachines(bastion: LabBastion): Promise<Listed[]> {
  return listed.parse(JSON.parse(await bastion.cli(["provision", "list", "-o", "json"])));
}

/**
 * Waits until the bastion has `machine` in `state`; says what it waits for. Fails early when the machine is
 * off, or is in a state that leads nowhere.
 */
export async function waitForState(
  bastion: LabBastion,
  machine: Machine,
  state: string,
  options: { timeoutMs: number; say: (text: string) => void },
): Promise<Listed> {
  const began = Date.now();
  options.say(`${machine.name}: waiting for '${state}' (at most ${Math.round(options.timeoutMs / 1000)} s)`);
  for (;;) {
    const found = (await listMachines(bastion)).find((each) => each.mac === machine.mac);
    if (found?.state === state) {
      options.say(`  came after ${((Date.now() - began) / 1000).toFixed(1)} s`);
      return found;
    }
    const seen = found?.state ?? "unknown";
    const ended = ["failed", "stalled"].includes(seen) ? `it is ${seen}` : undefined;
    const off = machine.running() ? undefined : "the machine is off";
    const late =
      Date.now() - began > options.timeoutMs
        ? `it is ${seen} after ${options.timeoutMs / 1000} s`
        : undefined;
    const reason = ended ?? off ?? late;
    if (reason !== undefined) {
      throw new Error(
        `${machine.name} did not come to '${state}': ${reason}\nconsole:\n${machine.console.text().trimEnd().split("\n").slice(-15).join("\n")}\nbastion:\n${tailOf(bastion.log, 15)}`,
      );
    }
    await Bun.sleep(500);
  }
}

const servers = z.array(z.looseObject({ name: z.string(), state: z.string() }));

/** Waits until the installed system's agent has joined and is connected. */
export async function waitForServer(
  bastion: LabBastion,
  name: string,
  options: { timeoutMs: number; say: (text: string) => void },
): Promise<void> {
  const end = Date.now() + options.timeoutMs;
  options.say(
    `waiting for server/${name} to be connected (at most ${Math.round(options.timeoutMs / 1000)} s)`,
  );
  for (;;) {
    const list = servers.parse(JSON.parse(await bastion.cli(["get", "servers", "-o", "json"])));
    if (list.some((server) => server.name === name && server.state === "connected")) return;
    if (Date.now() > end) throw new Error(`server/${name} did not join:\n${tailOf(bastion.log, 15)}`);
    await Bun.sleep(1000);
  }
}
