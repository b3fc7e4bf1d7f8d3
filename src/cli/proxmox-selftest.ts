import { AppError } from "../platform/errors.ts";
import { formatEndpoint } from "../protocols/pve/endpoint.ts";
import { parseVmid } from "../protocols/pve/vmid.ts";
import { defineCommand, outputFlag } from "./define.ts";
import { printRecords } from "./output.ts";
import { clusterFlag, loadProxmox, trustOf } from "./proxmox-clusters.ts";
import { outputFormat } from "./settings.ts";

export const selftest = defineCommand({
  summary: "check what the configured features need: TLS, clock, nodes, storages, rights, template",
  example: "labctl proxmox selftest --task --vmid 101",
  args: {
    task: { type: "boolean", description: "also take a snapshot of --vmid and remove it" },
    vmid: { type: "string", description: "the guest for --task", valueHint: "N" },
    ...clusterFlag,
    ...outputFlag,
  },
  run: async ({ task, vmid, cluster: name, config, output }) => {
    if ((task === true) !== (vmid !== undefined)) {
      throw new AppError("usage", "--task and --vmid belong together", {
        hint: "labctl proxmox selftest --task --vmid 101",
      });
    }
    const taskOn = vmid === undefined ? undefined : parseVmid(vmid);
    const { pick } = await loadProxmox(config);
    const cluster = pick(name);
    const { runSelftest } = await import("../protocols/pve/selftest.ts");
    const { settings } = cluster;
    const endpoints = cluster.endpoints.map((endpoint) => ({
      place: formatEndpoint(endpoint),
      client: cluster.connect([endpoint]),
      trust: trustOf(endpoint, settings.caFile),
    }));
    const client = cluster.connect();
    const findings = await Array.fromAsync(
      runSelftest({
        client,
        endpoints,
        scope: settings,
        template: settings.template === undefined ? undefined : parseVmid(settings.template),
        taskOn,
      }),
    ).finally(() =>
      Promise.all([client, ...endpoints.map((each) => each.client)].map((each) => each.close())),
    );
    printRecords(
      findings,
      [
        { title: "CHECK", value: (row) => row.check },
        { title: "RESULT", value: (row) => row.result },
        { title: "DETAIL", value: (row) => row.detail },
        { title: "NEXT", value: (row) => row.next },
      ],
      outputFormat(output),
    );
    if (findings.some(({ result }) => result === "fail")) process.exitCode = 1;
  },
});
