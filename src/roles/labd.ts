import { createAuditLog } from "../access/audit-log.ts";
import { createAuditRoutes } from "../access/audit-routes.ts";
import { openAuthority } from "../access/authority.ts";
import { readCaKey } from "../access/ca-key.client.ts";
import { createDeviceLogins } from "../access/device-login-service.ts";
import { createDirectory } from "../access/directory.ts";
import { createGovernanceRoutes } from "../access/governance-routes.ts";
import { createGroupRoutes } from "../access/group-routes.ts";
import { createIdentify } from "../access/identity.ts";
import { createIdentityRoutes } from "../access/identity-routes.ts";
import { createKeySeal } from "../access/key-seal.ts";
import { createRootRotation } from "../access/root-rotation.ts";
import { createAccessRoutes } from "../access/routes.ts";
import { createServerCertificate } from "../access/server-certificate.ts";
import type { Actor, AuditLog } from "../access/service.ts";
import { createSessionRoutes } from "../access/session-routes.ts";
import { createSessions } from "../access/session-service.ts";
import { createTokenService, type TokenService } from "../access/token-service.ts";
import { createBastionRoutes } from "../fleet/bastion-routes.ts";
import { createBastions } from "../fleet/bastion-service.ts";
import { measureFleet } from "../fleet/fleet-metrics.ts";
import { createHostControl } from "../fleet/host-control.ts";
import { createFleetRoutes } from "../fleet/routes.ts";
import { createFleet } from "../fleet/service.ts";
import { createUpgrades } from "../fleet/upgrades.server.ts";
import { createControlPlane } from "../http/control-plane.ts";
import { createGate, type Gate } from "../http/gate.ts";
import { listenLocal } from "../http/local-listener.server.ts";
import { createLogRoutes } from "../http/log-routes.ts";
import { createOperationsRoutes } from "../http/operations-routes.ts";
import { createRateLimits } from "../http/rate-limits.ts";
import { createStatusRoutes } from "../http/status-routes.ts";
import { listenTls, type TlsListener } from "../http/tls-listener.server.ts";
import { createDesk } from "../machines/desk.ts";
import { createMachineRoutes } from "../machines/routes.ts";
import { createRemoteMachines, type HostControl, type RemoteMachines } from "../machines/service.ts";
import { systemClock as clock } from "../platform/clock.ts";
import type { DaemonConfig } from "../platform/config.ts";
import type { Logger } from "../platform/logger.ts";
import { createUi } from "../ui/routes.tsx";
import type { Bastion } from "./bastion.ts";
import { keepLog } from "./daemon-log.ts";
import { certificates } from "./health-checks.ts";
import { createStarted, type Running } from "./running.ts";
import { createTelemetry, listenForMetrics, type Telemetry } from "./telemetry.ts";

/** The server certificate, and whether an old root is needed still, are looked at this often, in milliseconds. */
const renewalCheck = 10_000;

/** What a bastion in the same process adds. */
type Served = Pick<Bastion, "rooms" | "listeners"> & Partial<Pick<Bastion, "machines" | "pages">>;

export interface Labd extends Running {
  /** Writes where it was told to, and keeps the last records. */
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly audit: AuditLog;
  readonly gate: Gate;
  readonly tokens: TokenService;
  /** Machines of bastions elsewhere. */
  readonly remote: RemoteMachines;
  /** The agents of installed hosts. */
  readonly hosts: HostControl;
  /** Opens its port and the admin socket, for its own routes and for those of a bastion in the same process. */
  serve(bastion?: Served): Promise<void>;
}

export async function startLabd(
  config: DaemonConfig,
  logger: Logger,
  environment: NodeJS.ProcessEnv,
): Promise<Labd> {
  const labd = await openLabd(config, logger, environment);
  try {
    await labd.serve();
  } catch (error) {
    await labd.stop();
    throw error;
  }
  return labd;
}

/** Builds the control plane of its parts; nobody reaches it yet. */
export async function openLabd(
  config: DaemonConfig,
  outer: Logger,
  environment: NodeJS.ProcessEnv,
  /** Addresses agents reach it by, besides the configured ones. */
  addresses: readonly string[] = [],
): Promise<Labd> {
  const started = createStarted();
  const { logger, ring } = keepLog(outer, config.logLevel, clock);
  try {
    const { secret, origin } = readCaKey({
      environment: environment.LABCTL_CA_KEY,
      credentials: environment.CREDENTIALS_DIRECTORY,
      file: config.labd.caKeyFile,
    });
    const seal = await createKeySeal(secret, origin);
    const telemetry = createTelemetry(config, clock, logger);
    const { store, metrics, health } = telemetry;
    started.keep({ stop: () => store.close() });

    const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
    const newId = () => Buffer.from(random(10)).toString("hex");
    const audit = createAuditLog(store, clock);
    const authority = await openAuthority(store, seal, audit, clock, "labctl");
    const directory = createDirectory(store, audit, clock);
    const tokens = createTokenService(store, audit, clock, random, authority.fingerprint);
    const sessions = started.keep(createSessions(store, audit, clock, random));
    const logins = createDeviceLogins({ store, audit, authority, directory, clock, random });
    const identify = createIdentify(authority, directory, tokens, sessions);
    const limited = metrics.counter(
      "labctl_rate_limited_total",
      "Requests refused for their rate, by kind.",
      ["kind"],
    );
    const limits = createRateLimits(config.labd.rateLimits, clock, (kind) => limited.add({ kind }));
    const gate = createGate({
      store,
      identify,
      audit,
      clock,
      limits,
      sessions,
      signingRoot: authority.fingerprint,
      newId,
    });
    let listener: TlsListener | undefined;
    // Stopped after the fleet: agents are told, on connections that still stand.
    started.keep({ stop: async () => listener?.stop() });
    const fleet = started.keep(await createFleet({ store, clock, audit, authority, tokens, newId }));
    const remote = createRemoteMachines(store, clock);
    const bastions = started.keep(await createBastions({ store, clock, audit, authority, tokens, remote }));
    measureFleet(metrics, fleet.hub, () => fleet.list().length);
    const upgrade = createUpgrades({
      identify,
      fleet,
      bastions,
      audit,
      heartbeat: config.labd.heartbeat,
      authorities: authority.bundle,
      signingRoot: authority.fingerprint,
      clock,
      logger,
      newId,
    });
    const certificate = createServerCertificate(store, authority, clock, [
      ...config.labd.addresses,
      ...addresses,
    ]);

    async function serve(bastion: Served): Promise<void> {
      const startedAt = clock.now();
      const { listen: host, port } = config.labd;
      const listeners = () => [
        ...bastion.listeners(),
        { service: "labd", address: `${host}:${tlsListener.port}` },
      ];
      const renewCertificate = async () => tlsListener.renew(await certificate.issue());
      const rotation = createRootRotation(store, authority, clock, async (ended) => {
        // Agents first: by then the server's new certificate may be one they could not follow.
        fleet.hub.broadcast({ kind: "trust", authorities: authority.bundle() });
        fleet.hub.cut(new Set(ended), "its root was retired");
        bastions.trust(ended);
        await renewCertificate();
      });
      const app = createControlPlane(
        gate,
        [
          createAccessRoutes({ gate, store, authority, directory, tokens, audit, limits }),
          createGroupRoutes(gate, directory),
          createGovernanceRoutes({ gate, store, authority, rotation, directory, tokens, sessions }),
          createSessionRoutes({
            sessions,
            logins,
            limits,
            address: () => `https://${config.labd.addresses[0] ?? "localhost"}:${tlsListener.port}`,
          }),
          createIdentityRoutes(),
          createAuditRoutes(gate, audit, clock),
          createLogRoutes(gate, ring, clock),
          createFleetRoutes(gate, fleet, limits),
          createBastionRoutes(gate, bastions, limits),
          createOperationsRoutes(telemetry, gate),
          createStatusRoutes(gate, () => ({ pid: process.pid, startedAt, listeners: listeners() })),
          ...bastion.rooms,
          createUi({
            ...{ gate, limits, clock, logger, newId, sessions, logins, directory, tokens, audit, fleet },
            desk: createDesk(bastion.machines, remote),
            ...(bastion.pages && { lab: bastion.pages }),
          }),
        ],
        logger,
        telemetry.countRequests("labd"),
      );
      const tlsListener = await listenTls(app, upgrade, { host, port }, await certificate.issue(), logger);
      listener = tlsListener;
      const endRenewal = clock.every(renewalCheck, () => {
        const work = certificate.due()
          ? renewCertificate()
          : rotation.retireUnused(ourselves(newId(), clock.now()));
        work.catch((error: unknown) =>
          logger.error("the certificates cannot be looked after", { error: String(error) }),
        );
      });
      started.keep({ stop: async () => endRenewal() });
      health.add("certificates", certificates(authority, certificate.endsAt, clock));
      health.add("listeners", () => ({
        result: tlsListener.listening() ? "ok" : "fail",
        detail: listeners()
          .map(({ address }) => address)
          .join(", "),
      }));
      started.keep(listenForMetrics(config, metrics, logger));
      // Last: whoever finds the socket finds everything else running.
      started.keep(await listenLocal(app, upgrade, config.adminSocket, logger));
      logger.info("labd is ready", {
        address: `${host}:${tlsListener.port}`,
        authority: authority.fingerprint(),
      });
    }
    return {
      logger,
      telemetry,
      audit,
      gate,
      tokens,
      remote,
      hosts: createHostControl(fleet, audit, clock),
      serve: (bastion = { rooms: [createMachineRoutes(gate, undefined, remote)], listeners: () => [] }) =>
        serve(bastion),
      stop: () => started.stop(),
    };
  } catch (error) {
    await started.stop();
    throw error;
  }
}

/** What labd does by itself, as the audit names it. */
const ourselves = (requestId: string, startedAt: number): Actor => ({
  principal: { kind: "local", name: "local/labd", roles: [] },
  from: "",
  requestId,
  startedAt,
});
