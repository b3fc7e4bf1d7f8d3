import { readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../platform/clock.ts";
import type { ProxmoxClusterConfig, ProxmoxConfig } from "../platform/config.ts";
import { AppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import { createPveClient, type PveClient } from "../protocols/pve/client.ts";
import { type Endpoint, formatEndpoint, parseEndpoint } from "../protocols/pve/endpoint.ts";
import { createExchange } from "../protocols/pve/exchange.client.ts";
import type { Fingerprint } from "../protocols/pve/fingerprint.ts";
import { readToken } from "../protocols/pve/token-source.client.ts";
import { readPins } from "../protocols/pve/trust-file.client.ts";

export interface ProxmoxOptions {
  config: { dataDir: string; proxmox: ProxmoxConfig };
  environment: Readonly<Record<string, string | undefined>>;
  logger: Logger;
}

export interface ProxmoxCluster {
  name: string;
  settings: ProxmoxClusterConfig;
  endpoints: Endpoint[];
  /** A client of the whole cluster, or of some of its endpoints. */
  connect(endpoints?: readonly Endpoint[]): PveClient;
}

export const pinFile = ({ dataDir, proxmox }: ProxmoxOptions["config"]) =>
  proxmox.trustFile ?? join(dataDir, "proxmox-trust.json");

/** The clusters of the configuration, with the pins that were confirmed for their nodes. */
export function loadClusters(options: ProxmoxOptions): ProxmoxCluster[] {
  const pins = readPins(pinFile(options.config));
  return Object.entries(options.config.proxmox.clusters).map(([name, settings]) => {
    const endpoints = settings.nodes.map((node) => withPin(parseEndpoint(node), pins));
    return {
      name,
      settings,
      endpoints,
      connect: (chosen = endpoints) =>
        createPveClient({
          exchange: createExchange(chosen, readCa(settings.caFile), systemClock),
          token: readToken({ cluster: name, file: settings.tokenFile, environment: options.environment }),
          clock: systemClock,
          random: Math.random,
          logger: options.logger.with({ cluster: name }),
        }),
    };
  });
}

/** The named cluster, or the only one. */
export function pickCluster(clusters: readonly ProxmoxCluster[], wanted: string | undefined): ProxmoxCluster {
  const names = clusters.map(({ name }) => name);
  const found =
    wanted === undefined && clusters.length === 1
      ? clusters[0]
      : clusters.find(({ name }) => name === wanted);
  if (found) return found;
  if (clusters.length === 0) {
    throw new AppError("config", "no Proxmox cluster is configured", {
      hint: "add one under proxmox.clusters: nodes, tokenFile; docs/proxmox.md has an example",
    });
  }
  const hint = `name one with --cluster: ${names.join(", ")}`;
  if (wanted === undefined) throw new AppError("usage", `there are ${names.length} clusters`, { hint });
  throw new AppError("not-found", `there is no cluster '${wanted}'`, { hint });
}

function withPin(endpoint: Endpoint, pins: ReadonlyMap<string, Fingerprint>): Endpoint {
  return { ...endpoint, fingerprint: pins.get(formatEndpoint(endpoint)) };
}

function readCa(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new AppError("config", `${file}: ${cause instanceof Error ? cause.message : "cannot be read"}`, {
      cause,
    });
  }
}
