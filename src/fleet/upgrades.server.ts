import { WebSocketServer } from "ws-node";
import {
  type Actor,
  type AuditLog,
  decideAccess,
  type Identify,
  type Permission,
  type Principal,
  type Proof,
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
import type { Exit, Fleet, Work } from "./service.ts";

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

/** Whether a running command's user may run it still is asked this often, in milliseconds. */
const rightsCheck = 750;
const commandPath = /^\/api\/v1\/servers\/([a-z0-9.-]{1,64})\/(exec|logs)$/;

/** An agent reads any file of its host: those that are no logs are for whoever may run `cat`. */
function permissionOf(work: Work): Permission {
  if (work.kind === "operate") return "servers:operate";
  if (work.kind === "run") return "servers:exec";
  const { source } = work.query;
  const isLog =
    source.kind === "journal" ||
    (source.path.startsWith("/var/log/") && !source.path.split("/").includes(".."));
  return isLog ? "servers:logs" : "servers:exec";
}

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

  /** Checks the right to this very host, and tells the audit: when it starts, or why it does not, and how it ended. */
  async function start(
    actor: Actor,
    proof: Proof,
    server: string,
    work: Work,
    reader: Parameters<Fleet["hub"]["start"]>[2],
  ) {
    const deed = { action: permissionOf(work), resource: `server/${server}` };
    let ended = false;
    let endWatch = () => {};
    const end = (detail: string) => {
      if (ended) return;
      ended = true;
      endWatch();
      audit
        .record(actor, { ...deed, detail })
        .catch((error: unknown) => logger.error("the audit cannot be written", { error: String(error) }));
    };
    try {
      const { labels } = fleet.find(server);
      const decision = decideAccess(actor.principal.roles, deed.action, labels);
      if (!decision.allowed) {
        const message = `${actor.principal.name} may not ${deed.action} on ${deed.resource}: ${decision.because}`;
        throw new AppError("forbidden", message, {
          ...(work.kind === "read-logs" && {
            hint: "journal and /var/log need servers:logs, other files servers:exec",
          }),
        });
      }
      const exit: typeof reader.exit = (how) => {
        end(describeEnd(how));
        reader.exit(how);
      };
      // First: what cannot be told is not done.
      await audit.record(actor, { ...deed, detail: describeWork(work) });
      const handle = fleet.hub.start(server, work, { ...reader, exit });
      // Rights that are taken away end what they began.
      endWatch = clock.every(rightsCheck, () => {
        stillMay(proof, deed.action, server).catch((error: unknown) => {
          const { code, message } = toAppError(error);
          if (code === "internal" || ended) return;
          handle.cancel();
          exit({ code: null, signal: null, reason: message });
        });
      });
      return {
        ...handle,
        cancel() {
          end("ended: its client went away");
          handle.cancel();
        },
      };
    } catch (thrown) {
      const error = toAppError(thrown);
      const result = error.code === "forbidden" ? "refused" : "failed";
      await audit.record(actor, { ...deed, result, detail: error.message });
      throw error;
    }
  }

  /** @throws when whoever proved themselves so could not, or might not, begin this now. */
  async function stillMay(proof: Proof, action: Permission, server: string): Promise<void> {
    const { name, roles } = await identify(proof);
    const { allowed, because } = decideAccess(roles, action, fleet.find(server).labels);
    if (!allowed) throw new AppError("forbidden", `${name} may not ${action} any more: ${because}`);
  }

  return (request, socket, head, peer) => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    const wanted = commandPath.exec(path);
    if (path !== "/api/v1/agent" && path !== "/api/v1/uplink" && wanted === null) return false;
    // No page of ours opens one of these: what a browser asks for, another site's page made it ask.
    if (request.headers.origin !== undefined) return false;
    const authorization = request.headers.authorization;
    const proof: Proof = {
      ...(peer.kind === "certificate" && { certificate: peer.fingerprint }),
      ...(peer.kind === "local" && { localUser: peer.user }),
      ...(peer.kind === "network" && peer.refused !== undefined && { refused: peer.refused }),
      ...(authorization?.startsWith("Bearer ") && { bearer: authorization.slice(7) }),
    };
    identify(proof)
      .then((principal) => {
        const actor = actorOf(principal, peer);
        if (wanted !== null) {
          const [, server = ""] = wanted;
          if (principal.kind === "anonymous") throw new AppError("unauthenticated", "say who you are first");
          sockets.handleUpgrade(request, socket, head, (client) =>
            serveCommand(client, (work, reader) => start(actor, proof, server, work, reader)),
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

/** Never its arguments, which may hold a secret. */
function describeWork(work: Work): string {
  if (work.kind === "run") return work.spec.argv[0] ?? "";
  return work.kind === "read-logs" ? work.query.source.kind : work.operation.name;
}

const describeEnd = ({ code, signal, reason }: Exit) =>
  `ended: ${reason ?? (code === null ? `signal ${signal}` : `exit code ${code}`)}`;
