import { WebSocketServer } from "ws-node";
import {
  type Actor,
  type AuditLog,
  decideAccess,
  type Identify,
  type Permission,
  type Principal,
} from "../access/service.ts";
import type { PeerIdentity } from "../http/app.ts";
import type { Upgrade } from "../http/http1.server.ts";
import { toProblem } from "../http/problem.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import { serveAgent } from "./agent-stream.server.ts";
import { maxUplinkMessage } from "./bastion-protocol.ts";
import type { Bastions } from "./bastion-service.ts";
import { serveBastion } from "./bastion-stream.server.ts";
import { serveCommand } from "./command-stream.server.ts";
import { maxMessage } from "./protocol.ts";
import type { Fleet, Work } from "./service.ts";

export interface UpgradesDeps {
  identify: Identify;
  fleet: Fleet;
  bastions: Bastions;
  audit: AuditLog;
  /** Milliseconds between an agent's heartbeats. */
  heartbeat: number;
  authorities(): string;
  /** The fingerprint of the root that signs now: whoever does not know it yet fetches it. */
  signingRoot(): string;
  clock: Clock;
  logger: Logger;
  newId: () => string;
}

const commandPath = /^\/api\/v1\/servers\/([a-z0-9.-]{1,64})\/(exec|logs)$/;
const permissions: Record<Work["kind"], Permission> = {
  run: "servers:exec",
  "read-logs": "servers:logs",
  operate: "servers:operate",
};

/** The WebSockets of labd: one for each agent, one for each bastion elsewhere, one for each command a user runs. */
export function createUpgrades(deps: UpgradesDeps): Upgrade {
  const { identify, fleet, bastions, audit, clock, logger, newId } = deps;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: Math.max(maxMessage, maxUplinkMessage) });
  sockets.on("headers", (headers) => headers.push(`labctl-authority: ${deps.signingRoot()}`));

  const actorOf = (principal: Principal, peer: PeerIdentity): Actor => ({
    principal,
    from: peer.kind === "local" ? "" : peer.address,
    requestId: newId(),
    startedAt: clock.now(),
  });

  const noteRival = (actor: Actor, server: string, detail: string) =>
    audit.record(actor, {
      action: "agents:connect",
      resource: `server/${server}`,
      result: "refused",
      detail,
    });

  /** Checks the right to this very host, and tells the audit either way. */
  async function start(
    actor: Actor,
    server: string,
    work: Work,
    reader: Parameters<Fleet["hub"]["start"]>[2],
  ) {
    const action = permissions[work.kind];
    const resource = `server/${server}`;
    const { labels } = fleet.find(server);
    const decision = decideAccess(actor.principal.roles, action, labels);
    const detail =
      work.kind === "run"
        ? work.spec.argv[0]
        : work.kind === "read-logs"
          ? work.query.source.kind
          : work.operation.name;
    if (!decision.allowed) {
      await audit.record(actor, { action, resource, result: "refused", detail: decision.because });
      throw new AppError(
        "forbidden",
        `${actor.principal.name} may not ${action} on ${resource}: ${decision.because}`,
      );
    }
    const handle = fleet.hub.start(server, work, reader);
    await audit.record(actor, { action, resource, ...(detail !== undefined && { detail }) });
    return handle;
  }

  return (request, socket, head, peer) => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    const wanted = commandPath.exec(path);
    if (path !== "/api/v1/agent" && path !== "/api/v1/uplink" && wanted === null) return false;
    // No page of ours opens one of these: what a browser asks for, another site's page made it ask.
    if (request.headers.origin !== undefined) return false;
    const authorization = request.headers.authorization;
    identify({
      ...(peer.kind === "certificate" && { certificate: peer.fingerprint }),
      ...(peer.kind === "local" && { localUser: peer.user }),
      ...(peer.kind === "network" && peer.refused !== undefined && { refused: peer.refused }),
      ...(authorization?.startsWith("Bearer ") && { bearer: authorization.slice(7) }),
    })
      .then((principal) => {
        const actor = actorOf(principal, peer);
        if (wanted !== null) {
          const [, server = ""] = wanted;
          if (principal.kind === "anonymous") throw new AppError("unauthenticated", "say who you are first");
          sockets.handleUpgrade(request, socket, head, (client) =>
            serveCommand(client, (work, reader) => start(actor, server, work, reader)),
          );
          return;
        }
        if (path === "/api/v1/uplink") {
          if (principal.kind !== "bastion" || peer.kind !== "certificate") {
            throw new AppError("unauthenticated", "a bastion's certificate is needed here");
          }
          const { fingerprint, address } = peer;
          const name = principal.name.slice("bastion/".length);
          sockets.handleUpgrade(request, socket, head, (client) =>
            serveBastion(
              client,
              { name, fingerprint, address, actor: () => actorOf(principal, peer) },
              bastions,
              clock,
              logger,
            ),
          );
          return;
        }
        if (principal.kind !== "agent" || peer.kind !== "certificate") {
          throw new AppError("unauthenticated", "an agent's certificate is needed here");
        }
        const name = principal.name.slice("agent/".length);
        const { fingerprint, address } = peer;
        sockets.handleUpgrade(request, socket, head, (client) =>
          serveAgent(client, { name, fingerprint, address, actor }, { ...deps, noteRival }),
        );
      })
      .catch((thrown: unknown) => {
        const error = toAppError(thrown);
        logger.warn("a connection was refused", {
          path,
          reason: error.message,
          ...(peer.kind !== "local" && { from: peer.address }),
        });
        const problem = JSON.stringify(toProblem(error));
        socket.end(
          `HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(problem)}\r\n\r\n${problem}`,
        );
      });
    return true;
  };
}
