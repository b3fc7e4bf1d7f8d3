import { createLogger, createTextSink } from "../platform/logger.ts";
import type { Endpoint } from "../protocols/pve/endpoint.ts";
import type { ProxmoxCluster } from "../roles/proxmox.ts";
import { note } from "./output.ts";
import { loadDaemonConfig } from "./settings.ts";

export const configFlag = {
  config: { type: "string", description: "configuration file of the daemon", valueHint: "FILE" },
} as const;
export const clusterFlag = {
  cluster: { type: "string", description: "which cluster; not needed when there is one", valueHint: "NAME" },
  ...configFlag,
} as const;

/** The HTTP client is loaded here and not before: no other command pays for it. */
export async function loadProxmox(path: string | undefined) {
  const config = loadDaemonConfig(path);
  const { loadClusters, pickCluster, pinFile } = await import("../roles/proxmox.ts");
  // What fails is told by the command; this is for a node that was passed over.
  const logger = createLogger(createTextSink(note, Date.now), "warn");
  const clusters = loadClusters({ config, environment: process.env, logger });
  return { clusters, file: pinFile(config), pick: (name: string | undefined) => pickCluster(clusters, name) };
}

export async function withClient<T>(
  cluster: ProxmoxCluster,
  use: (client: ReturnType<ProxmoxCluster["connect"]>) => Promise<T>,
): Promise<T> {
  const client = cluster.connect();
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

export const trustOf = ({ fingerprint }: Endpoint, caFile: string | undefined) =>
  fingerprint !== undefined
    ? `pinned ${fingerprint}`
    : caFile !== undefined
      ? `CA ${caFile}`
      : "none: labctl proxmox trust";
