import { z } from "zod";
import { AppError } from "../../platform/errors.ts";
import { type CallOptions, type PveApi, readAs, route } from "./api.ts";
import { parseVmid, type Vmid } from "./vmid.ts";
import { flag, integer, maybe, number, text, words } from "./wire.ts";

const version = z
  .looseObject({ version: text, release: maybe(text) })
  .transform((found) => ({ text: found.version, ...readVersion(found.version) }));

/** `9.2.11`, `8.4-1`, `7.4-19` */
export function readVersion(spelled: string): { major: number; minor: number } {
  const found = /^(\d+)(?:\.(\d+))?/.exec(spelled);
  return { major: Number(found?.[1] ?? 0), minor: Number(found?.[2] ?? 0) };
}

const node = z.object({
  node: text,
  /** `unknown` just after its boot; nothing is to be concluded from it then. */
  status: maybe(text).transform((status) => status ?? "unknown"),
  /** SHA-256 of the leaf certificate the node serves. */
  ssl_fingerprint: maybe(text),
  cpu: maybe(number),
  maxcpu: maybe(integer),
  mem: maybe(integer),
  maxmem: maybe(integer),
  uptime: maybe(integer),
});

const usage = z.object({ total: maybe(integer), used: maybe(integer), free: maybe(integer) });
const nodeStatus = z.object({
  pveversion: maybe(text),
  uptime: maybe(integer),
  cpu: maybe(number),
  loadavg: maybe(z.array(number)),
  memory: maybe(usage),
  rootfs: maybe(usage),
  cpuinfo: maybe(z.object({ cpus: maybe(integer), model: maybe(text) })),
});

const resource = z.object({
  id: text,
  type: text,
  node: maybe(text),
  vmid: maybe(integer),
  name: maybe(text),
  status: maybe(text),
  pool: maybe(text),
  storage: maybe(text),
  template: maybe(flag),
  lock: maybe(text),
  tags: maybe(words),
  maxmem: maybe(integer),
  maxdisk: maybe(integer),
  maxcpu: maybe(number),
});

const pool = z.object({ poolid: text, comment: maybe(text) });
const poolMembers = z.object({ members: z.array(resource), comment: maybe(text) });

export type PveVersion = z.infer<typeof version>;
export type PveNode = z.infer<typeof node>;
export type PveNodeStatus = z.infer<typeof nodeStatus>;
export type PveResource = z.infer<typeof resource>;
export type PvePool = z.infer<typeof pool>;

export function createCluster(api: PveApi) {
  const nodes = (options?: CallOptions): Promise<PveNode[]> =>
    readAs(api, z.array(node), "/nodes", undefined, options);

  return {
    version: (options?: CallOptions): Promise<PveVersion> =>
      readAs(api, version, "/version", undefined, options),
    nodes,
    nodeStatus: (name: string, options?: CallOptions): Promise<PveNodeStatus> =>
      readAs(api, nodeStatus, route`/nodes/${name}/status`, undefined, options),
    /** Filtered by the token's rights: an empty answer may mean that it has none. */
    resources: (type?: "vm" | "storage" | "node", options?: CallOptions): Promise<PveResource[]> =>
      readAs(api, z.array(resource), "/cluster/resources", { type }, options),
    pools: (options?: CallOptions): Promise<PvePool[]> =>
      readAs(api, z.array(pool), "/pools", undefined, options),
    poolMembers: async (name: string, options?: CallOptions): Promise<PveResource[]> =>
      (await readAs(api, poolMembers, route`/pools/${name}`, undefined, options)).members,
    /** A vmid that is free now; nothing keeps it so. */
    nextVmid: async (options?: CallOptions): Promise<Vmid> =>
      parseVmid(await readAs(api, integer, "/cluster/nextid", undefined, options)),
    /** Whether `vmid` is free now. */
    isFree: async (vmid: Vmid, options?: CallOptions): Promise<boolean> => {
      try {
        await api.read("/cluster/nextid", { vmid }, options);
        return true;
      } catch (error) {
        if (error instanceof AppError && error.code === "conflict") return false;
        throw error;
      }
    },
    /** The node to work on: the named one, or the only one there is. */
    pickNode: async (wanted: string | undefined, options?: CallOptions): Promise<string> => {
      if (wanted !== undefined) return wanted;
      const found = await nodes(options);
      const only = found[0];
      if (only && found.length === 1) return only.node;
      throw new AppError(
        "usage",
        `the cluster has ${found.length} nodes: ${found.map((each) => each.node).join(", ")}`,
        {
          hint: "name one of them",
        },
      );
    },
  };
}

export type PveCluster = ReturnType<typeof createCluster>;
