import { X509Certificate } from "node:crypto";
import type { LabdMessage } from "../fleet/protocol.ts";
import { closeCodes, protocolFeatures, protocolVersions } from "../fleet/protocol.ts";
import { build } from "../platform/build.ts";
import type { Clock } from "../platform/clock.ts";
import { describeClockDifference, describeRefusedCertificate } from "../platform/clock-difference.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import { type ConnectionState, decideConnection } from "./connection.ts";
import { type Link, type LinkEnd, openLink } from "./link.client.ts";
import { createRenewal } from "./renewal.ts";
import { createReporting, type ReportingDeps } from "./reporting.client.ts";
import { type CommandSession, createCommandSession, type SessionDeps } from "./session.ts";
import type { AgentState, AgentStateFile } from "./state.client.ts";
import type { AgentStatus } from "./status.ts";

export interface AgentDeps
  extends Omit<SessionDeps, "send">,
    Pick<ReportingDeps, "readFacts" | "readDisks" | "readSensors" | "hardwareMark"> {
  file: AgentStateFile;
  state: AgentState;
  /** Whether labd answers at an address with a certificate of our roots and knows us; what it says otherwise. */
  probe(server: string, state: AgentState): Promise<string | undefined>;
  /** How labd's clock stands, in milliseconds since the epoch, from a connection that is not believed otherwise. */
  readServerClock(server: string): Promise<number | undefined>;
  clock: Clock;
  logger: Logger;
  random: () => number;
  newId: () => string;
}

export interface Agent {
  start(): void;
  status(): AgentStatus;
  /** A new certificate now; resolves with its end. @throws `unavailable`, `timeout`. */
  renew(): Promise<number>;
  stop(): Promise<void>;
}

/** Whether the certificate is due for renewal is looked at this often, in milliseconds. */
const renewalCheck = 10_000;
/** Commands go on without a connection for so long, in milliseconds; labd gives them up by then. */
const patience = 5 * 60_000;

export function createAgent(deps: AgentDeps): Agent {
  const { clock, logger, file } = deps;
  let { state } = deps;
  let connection: ConnectionState = { kind: "disconnected" };
  let link: Link | undefined;
  let comeBackAfter: number | undefined;
  let clockAhead: number | undefined;
  let labels: Record<string, string> | undefined;
  let features: readonly string[] = [];
  let problem: string | undefined;
  let ignored = 0;
  let attempts = 0;
  let cancelConnect = () => {};
  let cancelGiveUp = () => {};
  let endRenewal = () => {};
  const boot = deps.newId();

  const send: SessionDeps["send"] = (message) =>
    connection.kind === "connected" && link !== undefined && link.send(message);
  const session: CommandSession = createCommandSession({ ...deps, send });
  const reporting = createReporting({ ...deps, send });
  const renewal = createRenewal({
    clock,
    state: () => state,
    save,
    ask: (csr) => send({ kind: "renew", csr }),
    kept: (fingerprint) => {
      if (features.includes("confirm")) send({ kind: "certificate-kept", fingerprint });
      logger.info("the certificate was renewed");
    },
  });

  function save(change: Partial<AgentState>): void {
    state = { ...state, ...change };
    file.write(state);
  }

  function step(event: Parameters<typeof decideConnection>[1]): void {
    const next = decideConnection(connection, event, deps.random());
    if (next.state.kind !== connection.kind)
      logger.info(`agent is ${next.state.kind}`, { server: state.server });
    connection = next.state;
    cancelConnect();
    if (next.connectAfter !== undefined) cancelConnect = clock.after(next.connectAfter, connect);
  }

  /** The new address and the one before it in turn, until one has answered. */
  function nextServer(): string {
    attempts++;
    return state.previousServer !== undefined && attempts % 2 === 0 ? state.previousServer : state.server;
  }

  function connect(): void {
    // Another enrolment of this host takes effect without a restart.
    state = file.read() ?? state;
    const server = nextServer();
    const opened = openLink(server, state, clock, {
      open: () =>
        opened.send({
          kind: "hello",
          versions: [...protocolVersions],
          agent: build.version,
          boot,
          features: [...protocolFeatures],
        }),
      message: (message) => receive(message, server),
      ignored(reason) {
        ignored++;
        if (reason !== undefined) logger.warn("a message of labd was refused", { reason });
      },
      end: (end) => {
        if (link !== opened) return;
        link = undefined;
        ended(end, server);
      },
    });
    link = opened;
  }

  function ended(end: LinkEnd, server: string): void {
    endRenewal();
    reporting.stop();
    problem = end.reason;
    if (connection.kind !== "disconnected") explain(end, server);
    const after = comeBackAfter;
    comeBackAfter = undefined;
    if (connection.kind === "connected") {
      cancelGiveUp = clock.after(patience, () => session.stop("labd could not be reached"));
    }
    step({ kind: "lost", ...(after !== undefined && { after }) });
  }

  function explain({ code, reason, tlsError }: LinkEnd, server: string): void {
    if (tlsError === "CERT_NOT_YET_VALID" || tlsError === "CERT_HAS_EXPIRED") {
      blameClock(server, tlsError === "CERT_HAS_EXPIRED").catch((error: unknown) =>
        logger.warn("labd's clock could not be read", { error: String(error) }),
      );
    } else if (code === closeCodes.rival) {
      logger.error("another agent uses this host's certificate", {
        reason,
        hint: "if this host is a copy: labctl agent leave, then enrol it as itself",
      });
    } else logger.info("connection closed", { code, reason, server });
  }

  async function blameClock(server: string, expired: boolean): Promise<void> {
    const theirs = await deps.readServerClock(server);
    problem = describeRefusedCertificate(expired, clock.now(), theirs);
    logger.error(problem, {
      here: new Date(clock.now()).toISOString(),
      ...(theirs !== undefined && { there: new Date(theirs).toISOString() }),
      hint: "set the clock of the one that is wrong: timedatectl set-ntp true",
    });
  }

  function compareClocks(theirs: number): void {
    const before = clockAhead === undefined ? undefined : describeClockDifference(clockAhead, "labd's");
    clockAhead = clock.now() - theirs;
    const difference = describeClockDifference(clockAhead, "labd's");
    if (difference === before || difference === undefined) return;
    logger.warn(`this host's clock is ${difference}`, { hint: "timedatectl set-ntp true" });
  }

  function welcomed(message: Extract<LabdMessage, { kind: "welcome" }>, server: string): void {
    cancelGiveUp();
    problem = undefined;
    attempts = 0;
    features = message.features;
    labels = message.labels;
    if (server !== state.server) logger.warn(`${state.server} does not answer: back at ${server}`);
    if (state.previousServer !== undefined) {
      const { previousServer: _, ...rest } = state;
      state = { ...rest, server };
      file.write(state);
    }
    step({ kind: "welcomed", at: clock.now() });
    session.resume(message.commands);
    link?.watch(message.heartbeat);
    reporting.start(message.heartbeat, features.includes("health"));
    const renewWhenDue = () => void renewal.whenDue(clock.now() - (clockAhead ?? 0));
    endRenewal = clock.every(renewalCheck, renewWhenDue);
    if (message.authorities === undefined) renewWhenDue();
    else void renewal.trust(message.authorities).then(renewWhenDue);
  }

  async function goElsewhere(url: string, order: string | undefined): Promise<void> {
    const refused = await deps.probe(url, state);
    if (order !== undefined)
      send({ kind: "moving", order, ...(refused !== undefined && { refused: refused.slice(0, 500) }) });
    if (refused !== undefined) {
      logger.warn(`labd asked to go to ${url}, which is not followed`, { reason: refused });
      return;
    }
    save({ server: url, previousServer: state.server });
    comeBackAfter = 0;
    link?.close("going elsewhere");
  }

  function receive(message: LabdMessage, server: string): void {
    switch (message.kind) {
      case "welcome":
        welcomed(message, server);
        return;
      case "heard":
        compareClocks(message.now);
        return;
      case "labels":
        labels = message.labels;
        return;
      case "certificate":
        renewal.receive(message);
        return;
      case "trust":
        void renewal.trust(message.authorities);
        return;
      case "shutdown":
        comeBackAfter = message.after;
        return;
      case "go-elsewhere":
        goElsewhere(message.url, message.order).catch((error: unknown) =>
          logger.error("going elsewhere failed", { error: toAppError(error).message }),
        );
        return;
      default:
        session.receive(message);
    }
  }

  return {
    start: () => step({ kind: "start" }),
    status: () => ({
      state: connection.kind,
      ...(connection.kind === "connected" && { since: connection.since }),
      ...("attempt" in connection && { attempt: connection.attempt }),
      name: state.name,
      server: state.server,
      certificateEnds: new X509Certificate(state.certificatePem).validToDate.getTime(),
      ...(labels && { labels }),
      ...(clockAhead !== undefined && { clockAhead }),
      ignored,
      commands: session.count,
      ...(problem !== undefined && { problem }),
      version: build.version,
      pid: process.pid,
    }),
    async renew() {
      if (connection.kind !== "connected") {
        throw new AppError("unavailable", `the agent is ${connection.kind}`, {
          hint: problem ?? "labctl agent status",
        });
      }
      return renewal.now();
    },
    async stop() {
      step({ kind: "stop" });
      cancelGiveUp();
      endRenewal();
      reporting.stop();
      session.stop("the agent stops");
      link?.close("the agent stops");
    },
  };
}
