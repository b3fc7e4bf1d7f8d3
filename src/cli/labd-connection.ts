import { WebSocket } from "ws-node";
import { type Client, createClient, type Target } from "./client.ts";
import { keepIdentity, readIdentity } from "./identity.ts";
import { loadClientConfig, loadDaemonConfig } from "./settings.ts";

/**
 * Whom commands talk to: the socket `LABCTL_SOCKET` names, else the labd this user logged in to, else whatever runs on
 * this host.
 */
export function currentTarget(): Target {
  const { LABCTL_SOCKET: named } = process.env;
  if (named !== undefined) return named;
  return readIdentity() ?? loadClientConfig().socket ?? loadDaemonConfig().adminSocket;
}

export const connect = (): Client => createClient(currentTarget());

/** A WebSocket to labd for one command. */
export function openCommand(server: string, kind: "exec" | "logs"): WebSocket {
  const target = currentTarget();
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
