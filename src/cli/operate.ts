import { AppError } from "../platform/errors.ts";
import { operationArguments, parseOperation } from "./operation-arguments.ts";
import { defineRemoteCommand } from "./remote.ts";
import { ownOutput, runRemote } from "./remote-command.ts";

export const operate = defineRemoteCommand({
  summary: "one of the few things an agent does as root on a host",
  example: "labctl operate server/node1 boot-from-network",
  args: {
    target: { type: "positional", required: true, description: "server/NAME" },
    ...operationArguments,
  },
  run: async ({ target, ...words }, { open }) => {
    if (!target.startsWith("server/"))
      throw new AppError("usage", `'${target}' is not a host`, { hint: "server/NAME" });
    const operation = parseOperation(words);
    const exit = await runRemote(
      await open(target.slice("server/".length), "exec"),
      { kind: "operate", operation },
      ownOutput,
    );
    if (exit.reason !== undefined) throw new AppError("failed", exit.reason);
    process.exitCode = exit.code ?? 1;
  },
});
