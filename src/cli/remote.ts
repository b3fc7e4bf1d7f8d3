import type { ArgsDef, ParsedArgs } from "citty";
import type { WebSocket } from "ws-node";
import { type Client, createClient, type Target } from "./client.ts";
import { type Command, defineCommand, type Invocation } from "./define.ts";
import { openCommand, targetOf } from "./labd-connection.ts";

/** What a command that asks a daemon gets beside its arguments. */
export interface Remote extends Invocation {
  client: Client;
  target: Target;
  /** A WebSocket for one command on a host. */
  open(server: string, kind: "exec" | "logs"): Promise<WebSocket>;
}

const serverFlag = {
  server: {
    type: "string",
    description: "whom to ask: a labd this user logged in to, or 'local'",
    valueHint: "ADDRESS",
  },
} as const satisfies ArgsDef;

/** A command that asks a daemon: the one `--server` names, or the usual one. */
export function defineRemoteCommand<const Args extends ArgsDef>(definition: {
  summary: string;
  example: string;
  args: Args;
  takesRest?: boolean;
  run: (args: ParsedArgs<Args & typeof serverFlag>, remote: Remote) => Promise<void> | void;
}): Command {
  return defineCommand({
    ...definition,
    args: { ...definition.args, ...serverFlag },
    run: (args, invocation) => {
      // checked: the flag is one of its arguments; with generic ones the type cannot be seen through
      const target = targetOf((args as { server?: string }).server);
      return definition.run(args, {
        ...invocation,
        target,
        client: createClient(target),
        open: (server, kind) => openCommand(target, server, kind),
      });
    },
  });
}
