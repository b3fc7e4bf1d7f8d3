import type { Actor } from "../access/service.ts";
import type { Clock } from "../platform/clock.ts";
import { toAppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import {
  type BastionMessage,
  readBastionMessage,
  type UplinkMessage,
  uplinkHeartbeat,
  uplinkVersions,
} from "./bastion-protocol.ts";
import type { BastionLink, Bastions } from "./bastion-service.ts";
import { receiveInTurn, type Socket } from "./inbox.server.ts";
import { agreeOnVersion } from "./protocol.ts";

/** Heartbeats that may be missed before the bastion counts as gone. */
const missed = 3;

export interface BastionPeer {
  name: string;
  fingerprint: string;
  address: string;
  /** A request of its own for each message: what the audit says of it. */
  actor(): Actor;
}

/** Talks with one bastion elsewhere until it leaves, falls silent or misbehaves. */
export function serveBastion(
  socket: Socket,
  peer: BastionPeer,
  bastions: Bastions,
  clock: Clock,
  logger: Logger,
): void {
  const log = logger.with({ bastion: peer.name });
  let link: BastionLink | undefined;
  let cancelSilence = clock.after(uplinkHeartbeat, () => socket.terminate());
  const send = (message: UplinkMessage) => socket.send(JSON.stringify(message));

  function heard(): void {
    cancelSilence();
    cancelSilence = clock.after(uplinkHeartbeat * missed, () => {
      log.warn("the bastion fell silent");
      socket.terminate();
    });
  }

  async function welcome(hello: Extract<BastionMessage, { kind: "hello" }>): Promise<void> {
    const version = agreeOnVersion(hello.versions, uplinkVersions);
    if (version === undefined) {
      log.warn("the bastion speaks another protocol", { theirs: hello.versions.join(",") });
      socket.close(4002, `labd speaks the versions ${uplinkVersions.join(", ")}`);
      return;
    }
    const own: BastionLink = {
      fingerprint: peer.fingerprint,
      trust: (authorities) => send({ kind: "trust", authorities }),
      close: (reason) => socket.close(4001, reason.slice(0, 100)),
    };
    const { outbox, software } = hello;
    const { taken, authorities } = await bastions.greet(
      peer.name,
      { outbox, version: software, address: peer.address },
      own,
    );
    link = own;
    send({ kind: "welcome", version, taken, authorities });
    log.info("bastion connected", { version: software, address: peer.address });
  }

  async function receive(text: string): Promise<void> {
    const read = readBastionMessage(text);
    if (read.kind === "unknown") return;
    if (read.kind === "invalid") {
      log.warn("a bastion's message was refused", { reason: read.reason });
      socket.close(4003, read.reason.slice(0, 100));
      return;
    }
    const { message } = read;
    if (message.kind === "hello") {
      if (link === undefined) await welcome(message);
      return;
    }
    if (link === undefined) return;
    switch (message.kind) {
      case "heartbeat":
        return;
      case "facts":
        send({ kind: "taken", seq: await bastions.take(peer.actor(), peer.name, message.facts) });
        return;
      case "mint": {
        const { request, mac, name, role } = message;
        await bastions
          .mint(peer.actor(), peer.name, { mac, name, role })
          .then((token) => send({ kind: "minted", request, token }))
          .catch((thrown: unknown) =>
            send({ kind: "refused", request, reason: toAppError(thrown).message.slice(0, 500) }),
          );
        return;
      }
      case "renew": {
        const { certificate, authorities } = await bastions.renew(peer.actor(), peer.name, message.csr);
        send({ kind: "certificate", pem: certificate, authorities });
        return;
      }
    }
  }

  socket.on("message", heard);
  receiveInTurn(socket, receive, (thrown) => {
    const error = toAppError(thrown);
    log.error("a bastion's message could not be handled", { error: error.message });
    socket.close(4003, error.code);
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    cancelSilence();
    if (link === undefined) return;
    bastions.leave(peer.name, link);
    log.info("bastion disconnected");
  });
}
