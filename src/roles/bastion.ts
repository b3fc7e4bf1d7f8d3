import { join } from "node:path";
import { createBootAdminRoutes } from "../boot/admin-routes.ts";
import { createBootMetrics } from "../boot/boot-metrics.ts";
import { createBootPrograms } from "../boot/boot-programs.client.ts";
import { createDhcpServer } from "../boot/dhcp.server.ts";
import { createDispatch } from "../boot/dispatch.ts";
import { openPieces, statFile } from "../boot/files.client.ts";
import { createBootFiles, directoryMount } from "../boot/files.ts";
import { createBootRoutes } from "../boot/lab-routes.ts";
import { createLeasesRepository } from "../boot/leases-repository.ts";
import { createBootObserver } from "../boot/observer.ts";
import { createBootRecord } from "../boot/record.ts";
import { createRecordRepository } from "../boot/record-repository.ts";
import { createTftpServer } from "../boot/tftp.server.ts";
import { createTftpFiles } from "../boot/tftp-files.ts";
import { createWholeFiles } from "../boot/whole-files.client.ts";
import { createApp } from "../http/app.ts";
import { listenTcp, listenUnix } from "../http/listener.server.ts";
import { createAliveRoute, createLocalOperations } from "../http/operations-routes.ts";
import { createStatusRoutes, type Status } from "../http/status-routes.ts";
import { createImageAdminRoutes } from "../images/admin-routes.ts";
import { readAptMirror } from "../images/apt-mirror.client.ts";
import { createImageFiles } from "../images/image-files.client.ts";
import { createImageRepository } from "../images/repository.ts";
import { createImages } from "../images/service.ts";
import { createMachineAdminRoutes } from "../machines/admin-routes.ts";
import { measureInstalls } from "../machines/install-metrics.ts";
import { createMachineLabRoutes } from "../machines/lab-routes.ts";
import { createMachines, type Enrolment, type MachineEvents } from "../machines/service.ts";
import { startStallWatch } from "../machines/stall-watch.server.ts";
import { createTemplates } from "../machines/templates.client.ts";
import { systemClock as clock } from "../platform/clock.ts";
import type { DaemonConfig } from "../platform/config.ts";
import { createEventBus } from "../platform/events.ts";
import type { Logger } from "../platform/logger.ts";
import { labInterfaces, ramEnvironment } from "./health-checks.ts";
import { followInterfaces } from "./lab-listeners.ts";
import { createStarted, type Running } from "./running.ts";
import { createTelemetry, listenForMetrics, type Telemetry } from "./telemetry.ts";

/** What a control plane in the same process gives to the bastion. */
export interface ControlPlane {
  telemetry: Telemetry;
  enrolment: Enrolment;
  /** The executables agents run, by URL path below `/agent/`. */
  executables: ReadonlyMap<string, string>;
}

/** Builds the bastion of its parts and starts it; what was started is stopped in reverse when a later part fails. */
export async function startBastion(
  config: DaemonConfig,
  logger: Logger,
  plane?: ControlPlane,
): Promise<Running> {
  const started = createStarted();
  try {
    const telemetry = plane?.telemetry ?? createTelemetry(config, clock);
    const { store, metrics, health } = telemetry;
    if (plane === undefined) {
      started.keep({ stop: () => store.close() });
      started.keep(listenForMetrics(config, metrics, logger));
    }
    const bus = createEventBus<MachineEvents>((subscriber, error) =>
      logger.error("a subscriber failed", { subscriber, error: String(error) }),
    );
    telemetry.watch(bus.stats);
    const measured = createBootMetrics(metrics);

    const dhcp = createDhcpServer({
      interfaces: config.interfaces,
      boot: {
        httpPort: config.http.port,
        program: config.boot.uefi,
        discoveryControl: config.boot.discoveryControl,
      },
      repository: createLeasesRepository(store),
      bootOptions: (mac) => {
        const { uefi, discoveryControl } = machines.orders.bootOptions(mac) ?? {};
        return {
          ...(uefi !== undefined && { program: uefi }),
          ...(discoveryControl !== undefined && { skipPxeDiscoveryControl: !discoveryControl }),
        };
      },
      observe: (event) => {
        measured.dhcp(event);
        observer.dhcp(event);
      },
      clock,
      log: logger,
    });
    const imageDir = config.imageDir ?? join(config.dataDir, "images");
    // Where nothing else is said, Debian comes from where this host's own packages come from.
    const hostMirror = readAptMirror();
    const mirrors = { ...(hostMirror !== undefined && { debian: hostMirror }), ...config.install.mirrors };
    const images = createImages({
      repository: createImageRepository(store),
      files: createImageFiles(imageDir),
      mirrors,
      clock,
      logger,
    });
    const machines = createMachines({
      store,
      clock,
      logger,
      bus,
      templates: createTemplates(config.kickstartDir),
      findImage: (name) => images.find(name),
      leasesOf: (mac) => dhcp.leasesOf(mac),
      settings: { ...config.install, mirrors, after: config.discovery.after },
      ...(plane && { enrolment: plane.enrolment }),
    });
    started.keep({ stop: async () => machines.close() });
    started.keep({ stop: async () => stopStallWatch() });
    const endMeasuring = measureInstalls(metrics, bus, machines.list);
    started.keep({ stop: async () => endMeasuring() });
    const stopStallWatch = startStallWatch(machines.reports, clock, logger);

    const record = started.keep(
      await createBootRecord({
        repository: createRecordRepository(store),
        clock,
        log: logger,
      }),
    );
    const observer = createBootObserver(record, machines.orders, clock.now);
    const unfollow = observer.follow(bus);
    started.keep({ stop: async () => unfollow() });

    const dispatch = createDispatch({
      orders: machines.orders,
      observe: both(measured.script, observer.script),
      log: logger,
    });
    const files = createBootFiles({
      programs: createBootPrograms(),
      dispatch,
      mounts: {
        ram: directoryMount(config.ramDir),
        installer: directoryMount(join(imageDir, "installers")),
        image: directoryMount(join(imageDir, "disks")),
        agent: (path) => plane?.executables.get(path),
      },
      stat: statFile,
    });
    const wholeFiles = started.keep(createWholeFiles(clock));
    const labApp = createApp(
      [
        createBootRoutes({ files, dispatch, wholeFiles, observe: both(measured.fetched, observer.fetched) }),
        createMachineLabRoutes(machines, clock),
        createAliveRoute(),
      ],
      logger,
      [telemetry.countRequests("lab")],
    );
    const tftp = createTftpServer({
      source: createTftpFiles(files, openPieces, config.http.port),
      limits: { transfers: config.tftp.maxTransfers, perClient: config.tftp.maxPerClient },
      singlePort: config.tftp.singlePort,
      observe: both(measured.tftp, observer.tftp),
      clock,
      logger,
    });
    const lab = await followInterfaces(
      config.interfaces,
      async (address) => {
        // TFTP first: the other cannot then be left open by its failure
        const datagrams = await tftp.listen({ address, port: config.tftp.port });
        try {
          return [datagrams, listenTcp(labApp, address, config.http.port, logger)];
        } catch (error) {
          await datagrams.stop();
          throw error;
        }
      },
      clock,
      logger,
    );
    started.keep(lab);
    started.keep(dhcp);
    await dhcp.start();
    health.add("interfaces", () => labInterfaces(config.interfaces, lab.addresses));
    health.add("RAM environment", () => ramEnvironment(config.ramDir));

    const startedAt = clock.now();
    const listeners = (): Status["listeners"] => [
      ...lab.addresses().map((address) => ({ service: "http", address: `${address}:${config.http.port}` })),
      ...lab.addresses().map((address) => ({ service: "tftp", address: `${address}:${config.tftp.port}` })),
      ...dhcp.status().map((each) => ({ service: "dhcp", address: `${each.address} (${each.interface})` })),
    ];
    const boots = createBootAdminRoutes({ record, machines, now: clock.now, timeOf: timeOfDay });
    const status = createStatusRoutes(() => ({ pid: process.pid, startedAt, listeners: listeners() }));
    // Last: whoever finds the socket finds everything else running.
    started.keep(
      await listenUnix(
        createApp(
          [
            createLocalOperations(telemetry),
            status,
            createMachineAdminRoutes(machines),
            boots,
            createImageAdminRoutes(images),
          ],
          logger,
          [telemetry.countRequests("bastion")],
        ),
        config.adminSocket,
        logger,
      ),
    );
    logger.info("bastion is ready", { interfaces: config.interfaces.map((each) => each.name).join(",") });
    return started;
  } catch (error) {
    await started.stop();
    throw error;
  }
}

/** Tells both of them. */
const both =
  <Fact>(first: (fact: Fact) => void, second: (fact: Fact) => void) =>
  (fact: Fact) => {
    first(fact);
    second(fact);
  };

/** On this host's clock, as its administrator reads it: `12:01:03`. */
const timeOfDay = (at: number) => new Date(at).toTimeString().slice(0, 8);
