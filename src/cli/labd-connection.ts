import type { WebSocket } from "ws-node";
import { AppError } from "../platform/errors.ts";
import type { Target } from "./client.ts";
import { keepIdentity, readIdentity } from "./identity.ts";
import { adminSocket, loadClientConfig } from "./settings.ts";

/**
 * Whom a command asks: the labd `--server` names, or `local` for whatever runs on this host; without it the socket
 * `LABCTL_SOCKET` names, else the labd this user logged in to, else whatever runs on this host.
 * @throws `unauthenticated` for a labd this user has not logged in to.
 */
export function targetOf(server: string | undefined): Target {
  const { LABCTL_SOCKET: socket } = process.env;
  const local = () => socket ?? loadClientConfig().socket ?? adminSocket();
  if (server === "local") return local();
  const identity = readIdentity();
  if (server === undefined) return socket ?? identity ?? local();
  if (
    identity !== undefined &&
    new URL(identity.server).host === new URL(`https://${server.replace(/^https:\/\//, "")}`).host
  )
    return identity;
  throw new AppError("unauthenticated", `you have not logged in to ${server}`, {
    hint: `labctl login ${server}`,
  });
}

/** A WebSocket to labd for one command. */
export async function openCommand(target: Target, server: string, kind: "exec" | "logs"): Promise<WebSocket> {
  const { WebSocket } = await import("ws-node");
  const path = `/api/v1/servers/${encodeURIComponent(server)}/${kind}`;
  if (typeof target === "string") return new WebSocket(`ws+unix://${target}:${path}`);
  const socket = new WebSocket(`${target.server.replace(/^https/, "wss")}${path}`, {
    ca: target.authoritiesPem,
    cert: target.certificatePem,
    key: target.keyPem,
  });
  socket.on("upgrade", ({ headers }) => {
    const signing = headers["labctl-authority"];
    void keepIdentity(target, typeof signing === "string" ? signing : null);
  });
  return socket;
}
