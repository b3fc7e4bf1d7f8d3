import type { Actor } from "../access/service.ts";
import type { Clock } from "../platform/clock.ts";
import { toAppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import type { AgentLink } from "./hub.ts";
import {
  type AgentMessage,
  agreeOnVersion,
  type LabdMessage,
  protocolVersions,
  readAgentMessage,
} from "./protocol.ts";
import type { Fleet } from "./service.ts";

/** A WebSocket, as far as is needed of one. */
export interface Socket {
  send(text: string): void;
  close(code: number, reason: string): void;
  terminate(): void;
  readonly bufferedAmount: number;
  on(event: "message", handle: (data: Buffer) => void): void;
  on(event: "close" | "error", handle: () => void): void;
}

const heartbeat = 10_000;
/** Heartbeats that may be missed before the host counts as gone. */
const missed = 3;
/** Bytes waiting to be sent to an agent that does not read; then it is cut off. */
const maxBuffered = 8 << 20;

export interface AgentPeer {
  name: string;
  fingerprint: string;
  address: string;
  actor: Actor;
}

/** Talks with one agent until it leaves, falls silent or misbehaves. */
export function serveAgent(
  socket: Socket,
  peer: AgentPeer,
  fleet: Fleet,
  clock: Clock,
  logger: Logger,
): void {
  const log = logger.with({ server: peer.name });
  let link: AgentLink | undefined;
  let cancelSilence = clock.after(heartbeat, () => socket.terminate());

  const send = (message: LabdMessage) => {
    if (socket.bufferedAmount > maxBuffered) socket.terminate();
    else socket.send(JSON.stringify(message));
  };
  const heard = () => {
    cancelSilence();
    cancelSilence = clock.after(heartbeat * missed, () => {
      log.warn("the agent fell silent");
      socket.terminate();
    });
  };

  async function welcome(hello: Extract<AgentMessage, { kind: "hello" }>): Promise<void> {
    const version = agreeOnVersion(hello.versions);
    if (version === undefined) {
      log.warn("the agent speaks another protocol", {
        theirs: hello.versions.join(","),
        ours: protocolVersions.join(","),
      });
      socket.close(4002, `labd speaks the protocol versions ${protocolVersions.join(", ")}`);
      return;
    }
    await fleet.noteConnected(peer.name, hello.agent, peer.address);
    link = {
      fingerprint: peer.fingerprint,
      send,
      close: (reason) => socket.close(4001, reason.slice(0, 100)),
    };
    const commands = fleet.hub.attach(peer.name, hello.boot, link);
    send({ kind: "welcome", version, heartbeat, commands });
    log.info("agent connected", { agent: hello.agent, address: peer.address });
  }

  async function receive(text: string): Promise<void> {
    const read = readAgentMessage(text);
    if (read.kind === "unknown") return;
    if (read.kind === "invalid") {
      log.warn("an agent's message was refused", { reason: read.reason });
      socket.close(4003, read.reason.slice(0, 100));
      return;
    }
    const { message } = read;
    if (link === undefined && message.kind !== "hello") return;
    switch (message.kind) {
      case "hello":
        if (link === undefined) await welcome(message);
        return;
      case "heartbeat":
        fleet.noteVitals(peer.name, message.vitals);
        return;
      case "facts":
        await fleet.noteFacts(peer.name, message.facts);
        return;
      case "renew": {
        const { certificate, authorities } = await fleet.renew(peer.actor, peer.name, message.csr);
        send({ kind: "certificate", pem: certificate, authorities });
        return;
      }
      default:
        fleet.hub.receive(peer.name, message);
    }
  }

  // One at a time, in their order.
  let receiving = Promise.resolve();
  socket.on("message", (data) => {
    heard();
    receiving = receiving
      .then(() => receive(data.toString("utf8")))
      .catch((error: unknown) => {
        log.error("an agent's message could not be handled", { error: toAppError(error).message });
        socket.terminate();
      });
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    cancelSilence();
    if (link === undefined) return;
    fleet.hub.detach(peer.name, link);
    log.info("agent disconnected");
  });
}
