import { AppError, errorCodes, toAppError } from "../platform/errors.ts";
import { defineGroup, type Group, runNode } from "./define.ts";
import { note, print } from "./output.ts";

export const root: Group = defineGroup({
  summary: "turns an empty lab into a governed fleet",
  example: "labctl provision list",
  commands: {
    init: {
      summary: "start, stop and look at the appliance on this host",
      load: async () => (await import("./init.ts")).init,
    },
    provision: {
      summary: "machines: what there is, what is installed on them, and how it goes",
      load: async () => (await import("./provision.ts")).provision,
    },
    image: {
      summary: "disk images and installers",
      load: async () => (await import("./image.ts")).image,
    },
    version: {
      summary: "version, commit and build date",
      load: async () => (await import("./version.ts")).version,
    },
    bastion: {
      summary: "the network boot and install server",
      load: async () => (await import("./bastion.ts")).bastion,
    },
    doctor: {
      summary: "check this host: what is missing, what is in the way",
      load: async () => (await import("./doctor.ts")).doctor,
    },
    proxmox: {
      summary: "the Proxmox VE clusters: trust, self-test, rights, guests",
      load: async () => (await import("./proxmox.ts")).proxmox,
    },
    standalone: {
      summary: "bastion and control plane in one process",
      load: async () => (await import("./standalone.ts")).standalone,
    },
    labd: {
      summary: "the control plane: hosts, users, what they may do",
      load: async () => (await import("./labd.ts")).labd,
    },
    agent: { summary: "the daemon on each host", load: async () => (await import("./agent.ts")).agent },
    get: {
      summary: "list machines, servers, agents, bastions, images, tokens, users, groups, roles",
      load: async () => (await import("./get.ts")).get,
    },
    describe: {
      summary: "everything known of one thing: TYPE/NAME",
      load: async () => (await import("./describe.ts")).describe,
    },
    label: {
      summary: "set and remove labels of a host",
      load: async () => (await import("./label.ts")).label,
    },
    exec: { summary: "run a command on hosts", load: async () => (await import("./exec.ts")).exec },
    operate: {
      summary: "one of the few things an agent does as root on a host",
      load: async () => (await import("./operate.ts")).operate,
    },
    logs: {
      summary: "log lines of a host, a machine, the bastion, the audit",
      load: async () => (await import("./logs.ts")).logs,
    },
    token: {
      summary: "tokens that enrol hosts, log users in, or let programs call",
      load: async () => (await import("./token.ts")).token,
    },
    login: { summary: "let labd know this user", load: async () => (await import("./login.ts")).login },
    logout: { summary: "forget labd's certificate", load: async () => (await import("./access.ts")).logout },
    whoami: { summary: "who you are to labd", load: async () => (await import("./access.ts")).whoami },
    auth: { summary: "users, and what they may do", load: async () => (await import("./access.ts")).auth },
    ui: { summary: "open the web pages", load: async () => (await import("./ui.ts")).ui },
    ca: { summary: "the certificate authority", load: async () => (await import("./access.ts")).ca },
    audit: {
      summary: "what was done, and whether it was allowed",
      load: async () => (await import("./access.ts")).audit,
    },
    completion: {
      summary: "the completion script of a shell",
      load: async () => (await import("./completion.ts")).createCompletion(root),
    },
    config: {
      summary: "read and change the configuration",
      load: async () => (await import("./config.ts")).config,
    },
  },
});

/** Runs the command `argv` names; the answer is the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  // `labctl … | head` closes our stdout: that is no failure of ours, and nobody reads on.
  process.stdout.on("error", () => process.exit(0));
  try {
    await runNode(root, argv, [], print);
    return Number(process.exitCode ?? 0);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "EPIPE") return 0;
    const error = thrown instanceof AppError ? thrown : toAppError(thrown);
    note(`labctl: ${error.message}${error.hint === undefined ? "" : `\n  ${error.hint}`}`);
    if (process.env.LABCTL_DEBUG === "1" && error.code === "internal") note(String(error.stack));
    return errorCodes[error.code].exit;
  }
}
