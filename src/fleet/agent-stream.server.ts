import type { Actor } from "../access/service.ts";
import type { Clock } from "../platform/clock.ts";
import { describeClockDifference } from "../platform/clock-difference.ts";
import { toAppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import type { AgentLink } from "./hub.ts";
import { receiveInTurn, type Socket } from "./inbox.server.ts";
import {
  type AgentMessage,
  agreeOnVersion,
  closeCodes,
  type LabdMessage,
  protocolFeatures,
  protocolVersions,
  readAgentMessage,
} from "./protocol.ts";
import type { Fleet } from "./service.ts";

/** Heartbeats that may be missed before the host counts as gone. */
const missed = 3;
/** Milliseconds an agent has to answer when another one wants its place. */
const probePatience = 3_000;
/** Milliseconds a connection that was told to end may take to. */
const closePatience = 500;
/** Bytes waiting to be sent to an agent that does not read; then it is cut off. */
const maxBuffered = 8 << 20;

export interface AgentPeer {
  name: string;
  fingerprint: string;
  address: string;
  actor: Actor;
}

export interface AgentStreamDeps {
  fleet: Fleet;
  /** Milliseconds between heartbeats. */
  heartbeat: number;
  /** The trusted roots, the signing one first. */
  authorities(): string;
  /** An agent was refused because another one with its certificate is connected. */
  noteRival(actor: Actor, server: string, detail: string): Promise<void>;
  clock: Clock;
  logger: Logger;
}

/** Talks with one agent until it leaves, falls silent or misbehaves. */
export function serveAgent(socket: Socket, peer: AgentPeer, deps: AgentStreamDeps): void {
  const { fleet, heartbeat, clock } = deps;
  const log = deps.logger.with({ server: peer.name });
  let link: AgentLink | undefined;
  let warnedOfClock = false;
  let cancelSilence = clock.after(heartbeat, () => socket.terminate());

  const send = (message: LabdMessage) => {
    if (socket.bufferedAmount > maxBuffered) socket.terminate();
    else socket.send(JSON.stringify(message));
  };
  const ended = Promise.withResolvers<void>();
  const end = (code: number, reason: string): Promise<void> => {
    socket.close(code, reason.slice(0, 100));
    // One that does not answer is not waited for.
    const cancel = clock.after(closePatience, () => socket.terminate());
    return ended.promise.finally(cancel);
  };
  const heard = () => {
    cancelSilence();
    cancelSilence = clock.after(heartbeat * missed, () => {
      log.warn("the agent fell silent");
      socket.terminate();
    });
  };
  const probe = () => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const cancel = clock.after(probePatience, () => resolve(false));
    socket.once("pong", () => resolve(true));
    socket.ping();
    return promise.finally(cancel);
  };

  async function welcome(hello: Extract<AgentMessage, { kind: "hello" }>): Promise<void> {
    const version = agreeOnVersion(hello.versions);
    if (version === undefined) {
      log.warn("the agent speaks another protocol", {
        theirs: hello.versions.join(","),
        ours: protocolVersions.join(","),
      });
      void end(closeCodes.version, `labd speaks the protocol versions ${protocolVersions.join(", ")}`);
      return;
    }
    // The one that is there stays while it answers: a copied certificate does not push the host it was copied from out.
    if (await fleet.hub.rival(peer.name, hello.boot)?.probe()) {
      const { address } = fleet.find(peer.name);
      log.warn("another agent with this certificate is connected", {
        from: peer.address,
        connected: address,
      });
      await deps.noteRival(peer.actor, peer.name, `connected from ${address ?? "elsewhere"} already`);
      void end(closeCodes.rival, `server/${peer.name} is connected already, from ${address ?? "elsewhere"}`);
      return;
    }
    await fleet.confirm(peer.name, peer.fingerprint);
    await fleet.noteConnected(peer.name, hello.agent, peer.address);
    link = {
      fingerprint: peer.fingerprint,
      features: new Set(hello.features),
      send,
      probe,
      close: (reason) => end(closeCodes.replaced, reason),
    };
    const commands = fleet.hub.attach(peer.name, hello.boot, link);
    const { labels } = fleet.find(peer.name);
    const features = [...protocolFeatures];
    send({
      kind: "welcome",
      version,
      heartbeat,
      commands,
      features,
      authorities: deps.authorities(),
      labels,
    });
    fleet.hub.resend(peer.name);
    // What was revoked while it was let in found no link that could be cut.
    await fleet.confirm(peer.name, peer.fingerprint);
    log.info("agent connected", { agent: hello.agent, address: peer.address });
  }

  function beat({ vitals, now }: Extract<AgentMessage, { kind: "heartbeat" }>): void {
    const ahead = now === undefined ? undefined : now - clock.now();
    fleet.noteVitals(peer.name, vitals, ahead);
    send({ kind: "heard", now: clock.now() });
    const difference = ahead === undefined ? undefined : describeClockDifference(ahead, "ours");
    if (difference !== undefined && !warnedOfClock) log.warn(`the host's clock is ${difference}`);
    warnedOfClock = difference !== undefined;
  }

  async function receive(text: string): Promise<void> {
    const read = readAgentMessage(text);
    if (read.kind === "unknown") return fleet.noteIgnored(peer.name);
    if (read.kind === "invalid") {
      log.warn("an agent's message was refused", { reason: read.reason });
      void end(closeCodes.badMessage, read.reason);
      return;
    }
    const { message } = read;
    if (link === undefined && message.kind !== "hello") return;
    switch (message.kind) {
      case "hello":
        if (link === undefined) await welcome(message);
        return;
      case "heartbeat":
        return beat(message);
      case "health":
        return fleet.noteHealth(peer.name, message.health);
      case "facts":
        return fleet.noteFacts(peer.name, message.facts);
      case "renew": {
        const { certificate, authorities } = await fleet.renew(peer.actor, peer.name, message.csr);
        send({ kind: "certificate", pem: certificate, authorities });
        return;
      }
      case "certificate-kept":
        await fleet.confirm(peer.name, message.fingerprint);
        if (link) link.fingerprint = message.fingerprint;
        return;
      case "moving":
        return fleet.noteMoving(peer.name, message);
      default:
        fleet.hub.receive(peer.name, message);
    }
  }

  socket.on("message", heard);
  receiveInTurn(socket, receive, (error) => {
    log.error("an agent's message could not be handled", { error: toAppError(error).message });
    socket.terminate();
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    cancelSilence();
    ended.resolve();
    if (link === undefined) return;
    fleet.hub.detach(peer.name, link);
    log.info("agent disconnected");
  });
}
