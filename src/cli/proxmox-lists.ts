import { formatEndpoint } from "../protocols/pve/endpoint.ts";
import { defineCommand, outputFlag } from "./define.ts";
import { note, printRecords } from "./output.ts";
import { clusterFlag, configFlag, loadProxmox, trustOf, withClient } from "./proxmox-clusters.ts";
import { outputFormat } from "./settings.ts";

export const list = defineCommand({
  summary: "the configured clusters, their nodes and what each is trusted by",
  example: "labctl proxmox list",
  args: { ...configFlag, ...outputFlag },
  run: async ({ config, output }) => {
    const { clusters } = await loadProxmox(config);
    const rows = clusters.flatMap(({ name, endpoints, settings }) =>
      endpoints.map((endpoint) => ({
        cluster: name,
        node: formatEndpoint(endpoint),
        trust: trustOf(endpoint, settings.caFile),
        pool: settings.pool,
      })),
    );
    printRecords(
      rows,
      [
        { title: "CLUSTER", value: (row) => row.cluster },
        { title: "NODE", value: (row) => row.node },
        { title: "POOL", value: (row) => row.pool },
        { title: "TRUST", value: (row) => row.trust },
      ],
      outputFormat(output),
    );
  },
});

export const nodes = defineCommand({
  summary: "the nodes of a cluster",
  example: "labctl proxmox nodes",
  args: { ...clusterFlag, ...outputFlag },
  run: async ({ cluster, config, output }) => {
    const { pick } = await loadProxmox(config);
    const found = await withClient(pick(cluster), (client) => client.cluster.nodes());
    printRecords(
      found,
      [
        { title: "NODE", value: (row) => row.node },
        { title: "STATUS", value: (row) => row.status },
        { title: "CPUS", value: (row) => row.maxcpu },
        { title: "MEMORY", value: (row) => share(row.mem, row.maxmem) },
        { title: "FINGERPRINT", value: (row) => row.ssl_fingerprint },
      ],
      outputFormat(output),
    );
  },
});

export const guests = defineCommand({
  summary: "the guests the token may see",
  example: "labctl proxmox guests -o json",
  args: { ...clusterFlag, ...outputFlag },
  run: async ({ cluster, config, output }) => {
    const { pick } = await loadProxmox(config);
    const found = await withClient(pick(cluster), (client) => client.cluster.resources("vm"));
    if (found.length === 0) note("none: there are no guests, or the token may see none (VM.Audit)");
    printRecords(
      found,
      [
        { title: "VMID", value: (row) => row.vmid },
        { title: "NAME", value: (row) => row.name },
        { title: "KIND", value: (row) => (row.template ? `${row.type} template` : row.type) },
        { title: "NODE", value: (row) => row.node },
        { title: "STATUS", value: (row) => (row.lock ? `${row.status} (${row.lock})` : row.status) },
        { title: "POOL", value: (row) => row.pool },
      ],
      outputFormat(output),
    );
  },
});

export const storages = defineCommand({
  summary: "the storages of a node the token may see",
  example: "labctl proxmox storages --node pve1",
  args: {
    node: { type: "string", description: "which node; not needed when there is one", valueHint: "NAME" },
    ...clusterFlag,
    ...outputFlag,
  },
  run: async ({ node, cluster, config, output }) => {
    const { pick } = await loadProxmox(config);
    const found = await withClient(pick(cluster), async (client) =>
      client.storage.onNode(await client.cluster.pickNode(node)),
    );
    printRecords(
      found,
      [
        { title: "STORAGE", value: (row) => row.storage },
        { title: "TYPE", value: (row) => row.type },
        { title: "ACTIVE", value: (row) => (row.active ? "yes" : "no") },
        { title: "USED", value: (row) => share(row.used, row.total) },
        { title: "CONTENT", value: (row) => row.content.join(", ") },
      ],
      outputFormat(output),
    );
  },
});

function share(used: number | undefined, total: number | undefined): string | undefined {
  if (used === undefined || !total) return undefined;
  const gib = (bytes: number) => (bytes / 1024 ** 3).toFixed(1);
  return `${gib(used)} of ${gib(total)} GiB`;
}
