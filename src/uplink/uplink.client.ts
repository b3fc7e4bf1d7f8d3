import { WebSocket } from "ws-node";
import { createSigningRequest, renewalDue } from "../access/service.ts";
import { type ConnectionState, decideConnection } from "../agent/connection.ts";
import {
  type BastionMessage,
  maxUplinkMessage,
  readUplinkMessage,
  type UplinkMessage,
  uplinkHeartbeat,
  uplinkVersions,
} from "../fleet/bastion-protocol.ts";
import type { MachineFact } from "../machines/service.ts";
import { build } from "../platform/build.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import type { Queries } from "../store/database.ts";
import type { Outbox } from "./outbox.ts";

/** What makes this bastion the one it is to labd; its key never leaves this host. */
export interface UplinkIdentity {
  /** `https://labd.example:8443` */
  server: string;
  name: string;
  keyPem: string;
  certificatePem: string;
  authoritiesPem: string;
}

export interface UplinkDeps {
  identity: UplinkIdentity;
  save(identity: UplinkIdentity): void;
  outbox: Outbox;
  /** All that is now: told when labd has heard nothing, or less than it said. */
  tell: (tx: Queries) => readonly MachineFact[];
  clock: Clock;
  logger: Logger;
  random: () => number;
  newId: () => string;
}

export interface Uplink {
  start(): Promise<void>;
  /** A join token of labd for one machine. @throws `unavailable` when labd cannot be asked now. */
  mint(machine: { mac: string; name: string; role: string }): Promise<string>;
  connected(): boolean;
  stop(): Promise<void>;
}

const connectTimeout = 15_000;
/** labd stores facts, or makes a token, within so long, in milliseconds; else the connection is taken for dead. */
const answerTimeout = 30_000;
const mintTimeout = 10_000;
const renewalCheck = 3_600_000;
/** Characters of facts in one message. */
const maxTold = 512 * 1024;

export function createUplink(deps: UplinkDeps): Uplink {
  const { outbox, clock, logger } = deps;
  let { identity } = deps;
  let state: ConnectionState = { kind: "disconnected" };
  let socket: WebSocket | undefined;
  /** The highest number on its way; nothing more is sent until labd has it. */
  let told: number | undefined;
  let cancelConnect = () => {};
  let cancelAnswer = () => {};
  let stopTimers: (() => void)[] = [];
  let renewing: { keyPem: string } | undefined;
  const minting = new Map<string, { resolve(token: string): void; reject(error: AppError): void }>();

  const send = (message: BastionMessage) => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  };

  function step(event: Parameters<typeof decideConnection>[1]): void {
    const next = decideConnection(state, event, deps.random());
    if (next.state.kind !== state.kind)
      logger.info(`uplink is ${next.state.kind}`, { labd: identity.server });
    state = next.state;
    cancelConnect();
    if (next.connectAfter !== undefined) cancelConnect = clock.after(next.connectAfter, connect);
  }

  function connect(): void {
    const opened = new WebSocket(`${identity.server.replace(/^https/, "wss")}/api/v1/uplink`, {
      ca: identity.authoritiesPem,
      cert: identity.certificatePem,
      key: identity.keyPem,
      handshakeTimeout: connectTimeout,
      maxPayload: maxUplinkMessage,
    });
    socket = opened;
    let because = "";
    opened.on("open", () => {
      const { id } = outbox;
      if (id === undefined) return;
      send({ kind: "hello", versions: [...uplinkVersions], software: build.version, outbox: id });
      awaitAnswer();
    });
    opened.on("message", (data) => {
      const read = readUplinkMessage(String(data));
      if (read.kind === "message") receive(read.message, opened);
      else if (read.kind === "invalid") logger.warn("a message of labd was refused", { reason: read.reason });
    });
    opened.on("unexpected-response", (_, response) => {
      because = `labd answered ${response.statusCode}`;
      opened.terminate();
    });
    opened.on("error", (error) => {
      because ||= error.message;
    });
    opened.on("close", (code, reason) => {
      if (socket !== opened) return;
      socket = undefined;
      told = undefined;
      cancelAnswer();
      for (const end of stopTimers.splice(0)) end();
      for (const waiting of minting.values()) waiting.reject(unreachable());
      minting.clear();
      logger.info("uplink closed", { code, reason: because || reason.toString() });
      step({ kind: "lost" });
    });
  }

  function awaitAnswer(): void {
    cancelAnswer();
    cancelAnswer = clock.after(answerTimeout, () => {
      logger.warn("labd does not answer");
      socket?.terminate();
    });
  }

  function receive(message: UplinkMessage, from: WebSocket): void {
    switch (message.kind) {
      case "welcome":
        cancelAnswer();
        if (message.taken < outbox.acknowledged) {
          logger.warn("labd lacks what it had: all is told anew", {
            taken: message.taken,
            acknowledged: outbox.acknowledged,
          });
          outbox.begin(deps.tell).then(
            () => from.close(1000, "all is told anew"),
            (error: unknown) => failed(from, error),
          );
          return;
        }
        step({ kind: "welcomed", at: clock.now() });
        stopTimers = [
          clock.every(uplinkHeartbeat, () => send({ kind: "heartbeat" })),
          clock.every(renewalCheck, renewWhenDue),
          // For what was noted in a transaction that took its time.
          clock.every(1000, pump),
        ];
        trust(message.authorities);
        renewWhenDue();
        acknowledged(message.taken, from);
        return;
      case "taken":
        acknowledged(message.seq, from);
        return;
      case "minted":
        minting.get(message.request)?.resolve(message.token);
        minting.delete(message.request);
        return;
      case "refused":
        minting.get(message.request)?.reject(new AppError("forbidden", message.reason));
        minting.delete(message.request);
        return;
      case "certificate":
        if (renewing === undefined) return;
        save({ keyPem: renewing.keyPem, certificatePem: message.pem, authoritiesPem: message.authorities });
        renewing = undefined;
        // labd takes the one before back when it sees the new one.
        from.close(1000, "a new certificate");
        return;
      case "trust":
        trust(message.authorities);
        return;
    }
  }

  function acknowledged(seq: number, from: WebSocket): void {
    cancelAnswer();
    const done = seq > outbox.acknowledged ? outbox.taken(seq) : Promise.resolve();
    done.then(
      () => {
        told = undefined;
        pump();
      },
      (error: unknown) => failed(from, error),
    );
  }

  function failed(from: WebSocket, error: unknown): void {
    logger.error("the outbox failed", { error: String(error) });
    from.terminate();
  }

  /** Sends the next facts, when nothing is on its way. */
  function pump(): void {
    if (state.kind !== "connected" || told !== undefined) return;
    const next: { seq: number; fact: MachineFact }[] = [];
    let characters = 0;
    for (const each of outbox.after(outbox.acknowledged)) {
      characters += JSON.stringify(each.fact).length;
      if (next.length > 0 && characters > maxTold) break;
      next.push(each);
    }
    told = next.at(-1)?.seq;
    if (told === undefined) return;
    send({ kind: "facts", facts: next });
    awaitAnswer();
  }

  function save(part: Partial<UplinkIdentity>): void {
    identity = { ...identity, ...part };
    deps.save(identity);
  }

  function trust(authorities: string): void {
    if (authorities === identity.authoritiesPem) return;
    save({ authoritiesPem: authorities });
    renew();
  }

  function renewWhenDue(): void {
    if (renewalDue(identity.certificatePem, clock.now())) renew();
  }

  function renew(): void {
    createSigningRequest(identity.name)
      .then(({ keyPem, csrPem }) => {
        renewing = { keyPem };
        send({ kind: "renew", csr: csrPem });
      })
      .catch((error: unknown) => logger.error("the certificate cannot be renewed", { error: String(error) }));
  }

  const unreachable = () =>
    new AppError("unavailable", `labd (${identity.server}) cannot be reached now`, {
      hint: "the uplink connects again by itself; this bastion's log says why it cannot",
    });

  return {
    async start() {
      if (outbox.id === undefined) await outbox.begin(deps.tell);
      outbox.onNoted(pump);
      step({ kind: "start" });
    },
    mint(machine) {
      if (state.kind !== "connected") return Promise.reject(unreachable());
      const request = deps.newId();
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      minting.set(request, { resolve, reject });
      const cancel = clock.after(mintTimeout, () => {
        minting.delete(request);
        reject(unreachable());
      });
      send({ kind: "mint", request, ...machine });
      return promise.finally(cancel);
    },
    connected: () => state.kind === "connected",
    async stop() {
      step({ kind: "stop" });
      outbox.onNoted(() => {});
      cancelAnswer();
      for (const end of stopTimers.splice(0)) end();
      socket?.close(1000, "the bastion stops");
    },
  };
}
