import { join } from "node:path";
import type { AuditLog } from "../access/service.ts";
import { createBootMetrics } from "../boot/boot-metrics.ts";
import { createBootPrograms } from "../boot/boot-programs.client.ts";
import { createDhcpServer } from "../boot/dhcp.server.ts";
import { createDispatch } from "../boot/dispatch.ts";
import { openPieces, statFile } from "../boot/files.client.ts";
import { createBootFiles, directoryMount } from "../boot/files.ts";
import { createBootHistory } from "../boot/history-service.ts";
import { createBootRoutes } from "../boot/lab-routes.ts";
import { createLeasesRepository } from "../boot/leases-repository.ts";
import { createBootObserver } from "../boot/observer.ts";
import { createBootRecord } from "../boot/record.ts";
import { createRecordRepository } from "../boot/record-repository.ts";
import { createBootRecordRoutes } from "../boot/routes.ts";
import { createTftpServer } from "../boot/tftp.server.ts";
import { createTftpFiles } from "../boot/tftp-files.ts";
import { createWholeFiles } from "../boot/whole-files.client.ts";
import { createApp } from "../http/app.ts";
import type { Rooms } from "../http/control-plane.ts";
import type { Gate } from "../http/gate.ts";
import { listenTcp } from "../http/listener.server.ts";
import { createAliveRoute } from "../http/operations-routes.ts";
import type { Status } from "../http/status-routes.ts";
import { readAptMirror } from "../images/apt-mirror.client.ts";
import { createImageFiles } from "../images/image-files.client.ts";
import { createImageRepository } from "../images/repository.ts";
import { createImageRoutes } from "../images/routes.ts";
import { createImages } from "../images/service.ts";
import { measureInstalls } from "../machines/install-metrics.ts";
import { createMachineLabRoutes } from "../machines/lab-routes.ts";
import { createReprovisionRoutes } from "../machines/reprovision-routes.ts";
import { createReprovision } from "../machines/reprovision-service.ts";
import { createMachineRoutes } from "../machines/routes.ts";
import {
  createMachines,
  type Enrolment,
  type HostControl,
  type Journal,
  type MachineEvents,
  type Machines,
  type RemoteMachines,
} from "../machines/service.ts";
import { startStallWatch } from "../machines/stall-watch.server.ts";
import { createTemplates } from "../machines/templates.client.ts";
import { createWake } from "../machines/wake.client.ts";
import { systemClock as clock } from "../platform/clock.ts";
import type { DaemonConfig } from "../platform/config.ts";
import { createEventBus } from "../platform/events.ts";
import type { Logger } from "../platform/logger.ts";
import { openInterfaceReader } from "../protocols/inet/interfaces.client.ts";
import { createChangeStream } from "../ui/change-stream.ts";
import type { LabPages } from "../ui/routes.tsx";
import { labInterfaces, ramEnvironment } from "./health-checks.ts";
import { followInterfaces } from "./lab-listeners.ts";
import { createStarted, type Running } from "./running.ts";
import type { Telemetry } from "./telemetry.ts";

/** What the bastion is built upon: a database and what is measured, who may do what. */
export interface Ground {
  telemetry: Telemetry;
  audit: AuditLog;
  gate: Gate;
  /** Where a control plane runs in the same process: what is installed joins it. */
  enrolment?: Enrolment;
  /** Where labd runs in this process: machines of bastions elsewhere, and the agents of installed hosts. */
  remote?: RemoteMachines;
  hosts?: HostControl;
  /** Where labd is elsewhere: what is kept to be told to it. */
  journal?: Journal;
  /** The executables agents run, by URL path below `/agent/`. */
  executables?: ReadonlyMap<string, string>;
}

export interface Bastion extends Running {
  /** What users ask of it; served by whoever holds the admin socket. */
  readonly rooms: Rooms;
  readonly machines: Machines;
  /** What the web pages show of it besides its machines. */
  readonly pages: LabPages;
  listeners(): Status["listeners"];
}

/** Builds the bastion of its parts and starts it; what was started is stopped in reverse when a later part fails. */
export async function startBastion(
  config: DaemonConfig,
  logger: Logger,
  { telemetry, audit, gate, enrolment, executables, remote, hosts, journal }: Ground,
): Promise<Bastion> {
  const started = createStarted();
  try {
    const { store, metrics, health } = telemetry;
    const bus = createEventBus<MachineEvents>((subscriber, error) =>
      logger.error("a subscriber failed", { subscriber, error: String(error) }),
    );
    telemetry.watch(bus.stats);
    const measured = createBootMetrics(metrics);

    const readInterfaces = openInterfaceReader();
    const dhcp = createDhcpServer({
      interfaces: config.interfaces,
      readInterfaces,
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
      crowded: () => tftp.waiting() >= 2 * config.tftp.maxTransfers,
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
      files: createImageFiles(imageDir, config.install.keyrings),
      mirrors,
      clock,
      audit,
      logger,
    });
    const machines = createMachines({
      store,
      clock,
      audit,
      logger,
      bus,
      templates: createTemplates(config.kickstartDir),
      findImage: (name) => images.find(name),
      leasesOf: (mac) => dhcp.leasesOf(mac),
      settings: { ...config.install, mirrors, after: config.discovery.after },
      ...(enrolment && { enrolment }),
      ...(journal && { journal }),
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
        agent: (path) => executables?.get(path),
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
      readInterfaces,
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
    health.add("interfaces", () => labInterfaces(config.interfaces, readInterfaces, lab.addresses));
    health.add("RAM environment", () => ramEnvironment(config.ramDir));

    const wake = createWake(config.interfaces);
    const reprovision = createReprovision({ machines, wake, hosts, audit });
    const history = createBootHistory({ record, machines, now: clock.now, timeOf: timeOfDay });
    const changes = createChangeStream(bus, clock);
    started.keep({ stop: async () => changes.close() });
    return {
      machines,
      pages: { images, history, changes },
      rooms: [
        createMachineRoutes(gate, machines, remote),
        createReprovisionRoutes(gate, machines, reprovision),
        createBootRecordRoutes(gate, history),
        createImageRoutes(gate, images),
      ],
      listeners: () => [
        ...lab.addresses().flatMap((address) => [
          { service: "http", address: `${address}:${config.http.port}` },
          { service: "tftp", address: `${address}:${config.tftp.port}` },
        ]),
        ...dhcp.status().map((each) => ({ service: "dhcp", address: `${each.address} (${each.interface})` })),
      ],
      stop: () => started.stop(),
    };
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
