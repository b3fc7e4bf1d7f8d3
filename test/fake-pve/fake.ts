import { createAuthority, type Issued } from "./certificate.ts";
import { Faults } from "./faults.ts";
import { seedLab } from "./lab.ts";
import { createRoutes, type NodeServer, type Seen, serveNode } from "./server.ts";
import { World, type WorldOptions } from "./world.ts";

export interface FakeNode {
  name: string;
  /** `127.0.0.1:41234` */
  address: string;
  port: number;
  fingerprint: string;
  /** The process dies: its API refuses connections, the others cannot hand anything on to it. */
  stop(): Promise<void>;
  /** Comes back on the same port; with `renew`, under a new certificate. */
  start(how?: { renew?: boolean }): Promise<void>;
}

export interface FakePve {
  world: World;
  faults: Faults;
  /** Every request, oldest first. */
  seen: Seen[];
  nodes: FakeNode[];
  /** PEM of the CA that signed the nodes' certificates. */
  ca: string;
  close(): Promise<void>;
}

export interface FakeOptions extends Partial<Omit<WorldOptions, "nodes">> {
  nodes?: readonly string[];
  host?: string;
  port?: number;
  /** Names in the certificates besides the node's own and the host. */
  names?: readonly string[];
  /** Off for benches: an answer is sent without being held against its description. */
  checkAnswers?: boolean;
  /** Leaves the cluster empty. */
  bare?: boolean;
}

/** A cluster of Proxmox VE that is not there: one HTTPS server a node, one state between them. */
export async function createFakePve(options: FakeOptions = {}): Promise<FakePve> {
  const {
    version = "9.2",
    nodes = ["pve1"],
    pace = 0.01,
    taskMs = 5,
    clockSkewMs = 0,
    host = "127.0.0.1",
  } = options;
  const world = new World({ version, nodes, pace, taskMs, clockSkewMs });
  if (!options.bare) seedLab(world);
  const authority = await createAuthority();
  const routes = createRoutes(world.major);
  const faults = new Faults();
  const seen: Seen[] = [];
  let ca = "";

  async function createNode(name: string, index: number): Promise<FakeNode> {
    const issue = () => authority.issue([name, host, ...(options.names ?? [])]);
    let tls: Issued = await issue();
    let server: NodeServer | undefined;
    let port = options.port ? options.port + index : 0;
    ca = tls.ca;
    const note = (online: boolean) => {
      const state = world.nodes.get(name);
      if (state) Object.assign(state, { online, fingerprint: tls.fingerprint });
    };
    const start = async (how: { renew?: boolean } = {}) => {
      if (how.renew) {
        await server?.stop();
        tls = await issue();
      }
      server = await serveNode({
        world,
        routes,
        node: name,
        port,
        host,
        tls,
        faults,
        seen,
        checkAnswers: options.checkAnswers ?? true,
      });
      port = server.port;
      note(true);
    };
    await start();
    return {
      name,
      get address() {
        return `${host}:${port}`;
      },
      get port() {
        return port;
      },
      get fingerprint() {
        return tls.fingerprint;
      },
      start,
      stop: async () => {
        note(false);
        await server?.stop();
        server = undefined;
      },
    };
  }

  const running: FakeNode[] = [];
  for (const [index, name] of nodes.entries()) running.push(await createNode(name, index));
  return {
    world,
    faults,
    seen,
    nodes: running,
    ca,
    close: async () => {
      await Promise.all(running.map((node) => node.stop()));
    },
  };
}
