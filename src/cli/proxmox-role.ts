import { AppError } from "../platform/errors.ts";
import { parseEndpoint } from "../protocols/pve/endpoint.ts";
import { type Feature, features, renderRoleCommands } from "../protocols/pve/features.ts";
import { parseVmid } from "../protocols/pve/vmid.ts";
import { defineCommand } from "./define.ts";
import { note, print } from "./output.ts";
import { clusterFlag, loadProxmox } from "./proxmox-clusters.ts";

export const role = defineCommand({
  summary: "the pveum commands for a role of least privilege and a token",
  example: "labctl proxmox role --pool lab --storage local --template 9000 --features sandboxes,backups",
  args: {
    user: { type: "string", description: "the API user (labctl@pve)", valueHint: "USER@REALM" },
    token: { type: "string", description: "the token's name (appliance)", valueHint: "NAME" },
    features: { type: "string", description: `what it is for: ${features.join(", ")}`, valueHint: "LIST" },
    major: { type: "string", description: "the cluster's major version (9)", valueHint: "7|8|9" },
    pool: { type: "string", description: "the pool of our guests", valueHint: "NAME" },
    storage: { type: "string", description: "storages, with commas", valueHint: "LIST" },
    bridge: { type: "string", description: "bridges, with commas", valueHint: "LIST" },
    node: { type: "string", description: "node names, with commas", valueHint: "LIST" },
    template: { type: "string", description: "the template's vmid, to be put into the pool", valueHint: "N" },
    ...clusterFlag,
  },
  run: async (args) => {
    const { clusters, pick } = await loadProxmox(args.config);
    const settings =
      clusters.length === 0 || (args.cluster === undefined && clusters.length > 1)
        ? undefined
        : pick(args.cluster).settings;
    const words = (text: string) =>
      text
        .split(/[,\s]+/)
        .filter(Boolean)
        .map(checkName);
    const template = args.template ?? settings?.template;
    const commands = renderRoleCommands({
      user: checkUser(args.user ?? "labctl@pve"),
      tokenid: checkName(args.token ?? "appliance"),
      prefix: "labctl",
      features:
        args.features === undefined
          ? (settings?.features ?? ["sandboxes"])
          : words(args.features).map(checkFeature),
      major: checkMajor(args.major ?? "9"),
      pool: checkName(args.pool ?? settings?.pool ?? "labctl"),
      storages: args.storage === undefined ? (settings?.storages ?? ["local"]) : words(args.storage),
      bridges: args.bridge === undefined ? (settings?.bridges ?? ["vmbr0"]) : words(args.bridge),
      nodes: args.node === undefined ? nodesOf(settings?.nodes ?? []) : words(args.node),
      template: template === undefined ? undefined : parseVmid(template),
    });
    note("# in a root shell on a node; `token add` shows the token, once: it goes into the token file");
    print(commands.join("\n"));
  },
});

/** A node's name is the first label of its address, where that is a name. */
function nodesOf(addresses: readonly string[]): string[] {
  const names = addresses
    .map((address) => parseEndpoint(address).host)
    .filter((host) => /[a-z]/i.test(host) && !host.includes(":"));
  const found = [...new Set(names.map((host) => host.split(".")[0] ?? host))];
  if (found.length > 0) return found;
  throw new AppError("usage", "the names of the nodes are not known", { hint: "--node pve1,pve2" });
}

/** What goes into a command a person will paste into a root shell. */
function checkName(word: string): string {
  if (/^[A-Za-z0-9][\w./-]*$/.test(word)) return word;
  throw new AppError("usage", `'${word}' cannot be a name here`, {
    hint: "letters, digits, '.', '_' and '-'",
  });
}
function checkUser(user: string): string {
  if (/^[A-Za-z0-9][\w.-]*@[A-Za-z][\w.-]*$/.test(user)) return user;
  throw new AppError("usage", `'${user}' is not a Proxmox user`, { hint: "labctl@pve" });
}
function checkMajor(text: string): number {
  if (/^[789]$/.test(text)) return Number(text);
  throw new AppError("usage", `'${text}' is not a major version`, { hint: "7, 8 or 9" });
}
function checkFeature(word: string): Feature {
  const found = features.find((feature) => feature === word);
  if (found) return found;
  throw new AppError("usage", `there is no feature '${word}'`, { hint: features.join(", ") });
}
