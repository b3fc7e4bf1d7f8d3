import { AppError } from "../platform/errors.ts";
import { at } from "./client.ts";
import { print } from "./output.ts";
import { defineRemoteCommand } from "./remote.ts";

function serverIn(target: string): string {
  if (target.startsWith("server/")) return target.slice("server/".length);
  throw new AppError("usage", `'${target}' is not a host`, { hint: "server/NAME; labctl get servers" });
}

export const label = defineRemoteCommand({
  summary: "set and remove labels of a host",
  example: "labctl label server/node1 env=dev old-",
  args: {
    target: { type: "positional", required: true, description: "server/NAME" },
    change: {
      type: "positional",
      required: true,
      description: "KEY=VALUE to set, KEY- to remove, commas between",
    },
  },
  run: async ({ target, change }, { client }) => {
    const { parseLabelChange } = await import("../access/selector.ts");
    const labels = Object.fromEntries(
      change
        .split(",")
        .map(parseLabelChange)
        .map(({ key, value }) => [key, value ?? null]),
    );
    await client.v1.servers[":name"].labels.$patch({ ...at({ name: serverIn(target) }), json: { labels } });
    print(`${target} is labelled`);
  },
});
