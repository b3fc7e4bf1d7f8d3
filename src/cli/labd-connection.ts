import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { WebSocket } from "ws-node";
import { z } from "zod";
import { AppError } from "../platform/errors.ts";
import { type Client, createClient, type Target } from "./client.ts";
import { loadClientConfig, loadDaemonConfig } from "./settings.ts";

const identitySchema = z.object({
  server: z.url(),
  name: z.string(),
  keyPem: z.string(),
  certificatePem: z.string(),
  authoritiesPem: z.string(),
});
/** Who the user of this computer is to a labd: from `labctl login`. */
export type Identity = z.output<typeof identitySchema>;

const identityPath = () => join(process.env.HOME ?? homedir(), ".labctl/identity.json");

export function readIdentity(): Identity | undefined {
  const path = identityPath();
  if (!existsSync(path)) return undefined;
  const read = identitySchema.safeParse(JSON.parse(readFileSync(path, "utf8")));
  if (read.success) return read.data;
  throw new AppError("config", `${path} is damaged`, { hint: "labctl login SERVER writes it again" });
}

export function writeIdentity(identity: Identity): void {
  mkdirSync(dirname(identityPath()), { recursive: true, mode: 0o700 });
  writeFileSync(identityPath(), JSON.stringify(identity), { mode: 0o600, flush: true });
}

export const removeIdentity = () => rmSync(identityPath(), { force: true });

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
  return new WebSocket(`${target.server.replace(/^https/, "wss")}${path}`, {
    ca: target.authoritiesPem,
    cert: target.certificatePem,
    key: target.keyPem,
  });
}
