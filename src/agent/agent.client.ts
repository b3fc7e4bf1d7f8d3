import { X509Certificate } from "node:crypto";
import { WebSocket } from "ws-node";
import { createSigningRequest } from "../access/service.ts";
import {
  type AgentMessage,
  type LabdMessage,
  maxMessage,
  protocolVersions,
  readLabdMessage,
} from "../fleet/protocol.ts";
import { build } from "../platform/build.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import { type ConnectionState, decideConnection } from "./connection.ts";
import type { CommandSession, SessionDeps } from "./session.ts";
import { createCommandSession } from "./session.ts";
import type { AgentState, AgentStateFile } from "./state.client.ts";
import { readVitals } from "./vitals.client.ts";

export interface AgentDeps extends Omit<SessionDeps, "send"> {
  file: AgentStateFile;
  state: AgentState;
  /** The inventory of this host; looked at again now and then, sent when it changed. */
  readFacts(): Promise<Record<string, unknown>>;
  clock: Clock;
  logger: Logger;
  random: () => number;
  newId: () => string;
  onState?(state: ConnectionState): void;
}

export interface Agent {
  start(): void;
  stop(): Promise<void>;
}

/** A certificate is renewed when a third of its life is left; looked at this often, in milliseconds. */
const renewalCheck = 60_000;
const factsInterval = 10 * 60_000;
const connectTimeout = 15_000;
/** Commands go on without a connection for so long, in milliseconds; labd gives them up by then. */
const patience = 5 * 60_000;
/** Bytes waiting to be sent; then a connection that does not move is given up. */
const maxBuffered = 8 << 20;

export function createAgent(deps: AgentDeps): Agent {
  const { clock, logger, file } = deps;
  let { state } = deps;
  let connection: ConnectionState = { kind: "disconnected" };
  let socket: WebSocket | undefined;
  let renewing: { keyPem: string } | undefined;
  let sentFacts = "";
  let comeBackAfter: number | undefined;
  let cancelConnect = () => {};
  let cancelGiveUp = () => {};
  let stopTimers: (() => void)[] = [];
  const boot = deps.newId();

  const send = (message: AgentMessage): boolean => {
    if (connection.kind !== "connected" || socket?.readyState !== WebSocket.OPEN) return false;
    if (socket.bufferedAmount > maxBuffered) {
      socket.terminate();
      return false;
    }
    socket.send(JSON.stringify(message));
    return true;
  };
  const session: CommandSession = createCommandSession({ ...deps, send });

  function step(event: Parameters<typeof decideConnection>[1]): void {
    const next = decideConnection(connection, event, deps.random());
    if (next.state.kind !== connection.kind)
      logger.info(`agent is ${next.state.kind}`, { server: state.server });
    connection = next.state;
    deps.onState?.(connection);
    cancelConnect();
    if (next.connectAfter !== undefined) cancelConnect = clock.after(next.connectAfter, connect);
  }

  function connect(): void {
    const opened = new WebSocket(`${state.server.replace(/^https/, "wss")}/api/v1/agent`, {
      ca: state.authoritiesPem,
      cert: state.certificatePem,
      key: state.keyPem,
      handshakeTimeout: connectTimeout,
      maxPayload: maxMessage,
    });
    socket = opened;
    let closeReason = "";
    opened.on("open", () => {
      opened.send(
        JSON.stringify({
          kind: "hello",
          versions: [...protocolVersions],
          agent: build.version,
          boot,
        } satisfies AgentMessage),
      );
    });
    opened.on("message", (data) => {
      const read = readLabdMessage(String(data));
      if (read.kind === "message") receive(read.message, opened);
      else if (read.kind === "invalid") logger.warn("a message of labd was refused", { reason: read.reason });
    });
    opened.on("unexpected-response", (_, response) => {
      closeReason = `labd answered ${response.statusCode}`;
      opened.terminate();
    });
    opened.on("error", (error) => {
      closeReason ||= error.message;
    });
    opened.on("close", (code, reason) => {
      if (socket !== opened) return;
      socket = undefined;
      logger.info("connection closed", { code, reason: closeReason || reason.toString() });
      const after = comeBackAfter;
      comeBackAfter = undefined;
      if (connection.kind === "connected") {
        cancelGiveUp = clock.after(patience, () => session.stop("labd could not be reached"));
      }
      step({ kind: "lost", ...(after !== undefined && { after }) });
    });
  }

  function receive(message: LabdMessage, from: WebSocket): void {
    switch (message.kind) {
      case "welcome":
        cancelGiveUp();
        step({ kind: "welcomed", at: clock.now() });
        session.resume(message.commands);
        keepAlive(from, message.heartbeat);
        return;
      case "certificate":
        if (renewing === undefined) return;
        save({ keyPem: renewing.keyPem, certificatePem: message.pem, authoritiesPem: message.authorities });
        renewing = undefined;
        return;
      case "trust":
        save({ authoritiesPem: message.authorities });
        renew();
        return;
      case "shutdown":
        comeBackAfter = message.after;
        return;
      case "go-elsewhere":
        save({ server: message.url });
        from.close(1000, "going elsewhere");
        return;
      default:
        session.receive(message);
    }
  }

  function save(change: Partial<AgentState>): void {
    state = { ...state, ...change };
    file.write(state);
  }

  function keepAlive(to: WebSocket, interval: number): void {
    for (const end of stopTimers) end();
    sentFacts = "";
    const beat = () => void send({ kind: "heartbeat", vitals: readVitals() });
    const facts = () => {
      deps
        .readFacts()
        .then((found) => {
          const text = JSON.stringify(found);
          if (text === sentFacts || text.length > maxMessage / 2) return;
          if (send({ kind: "facts", facts: found })) sentFacts = text;
        })
        .catch((error: unknown) => logger.warn("the facts could not be read", { error: String(error) }));
    };
    beat();
    facts();
    renewWhenDue();
    stopTimers = [
      clock.every(interval, beat),
      clock.every(factsInterval, facts),
      clock.every(renewalCheck, renewWhenDue),
    ];
    to.once("close", () => {
      for (const end of stopTimers.splice(0)) end();
    });
  }

  function renewWhenDue(): void {
    const certificate = new X509Certificate(state.certificatePem);
    const begin = certificate.validFromDate.getTime();
    const end = certificate.validToDate.getTime();
    if (clock.now() > end - (end - begin) / 3) renew();
  }

  function renew(): void {
    createSigningRequest(state.name)
      .then(({ keyPem, csrPem }) => {
        renewing = { keyPem };
        send({ kind: "renew", csr: csrPem });
      })
      .catch((error: unknown) => logger.error("the certificate cannot be renewed", { error: String(error) }));
  }

  return {
    start: () => step({ kind: "start" }),
    async stop() {
      step({ kind: "stop" });
      cancelGiveUp();
      for (const end of stopTimers.splice(0)) end();
      session.stop("the agent stops");
      socket?.close(1000, "the agent stops");
    },
  };
}
