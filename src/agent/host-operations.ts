import type { Command, HostOperation } from "../fleet/protocol.ts";

/** How a privileged program is started: by root itself, or through sudo without a password. */
export type Privilege = "direct" | "sudo";

interface Operation<Name extends HostOperation["name"]> {
  /** Why this cannot be done without root. */
  why: string;
  argv: (operation: Extract<HostOperation, { name: Name }>) => string[];
}

/**
 * Where the agent is not root, its operations are done by this program again, as root: it checks name and arguments by
 * the protocol's schema before anything runs. A sudoers file could not: its `*` matches blanks and slashes, too.
 */
const asRoot = ["/usr/bin/labctl", "agent", "host-operation"];

/**
 * All that an agent does as root, and nothing else in it may: a test holds that `sudo` is named here alone. The
 * programs are named by their whole path, and every argument has passed the protocol's schema.
 */
export const hostOperations: { [Name in HostOperation["name"]]: Operation<Name> } = {
  reboot: {
    why: "only root may restart the host",
    argv: () => ["/usr/bin/systemctl", "reboot"],
  },
  "boot-from-network": {
    why: "EFI variables are written by root alone",
    argv: () => ["/usr/bin/labctl", "agent", "boot-from-network"],
  },
  "read-smart": {
    why: "SMART is read by ioctl on the raw disk",
    argv: ({ device }) => ["/usr/sbin/smartctl", "--json", "--all", device],
  },
  "read-sensors": {
    why: "some drivers show their values to root alone",
    argv: () => ["/usr/bin/sensors", "-j"],
  },
  "allow-lxc-keyctl": {
    why: "on a Proxmox node: its API lets root@pam alone set the features a golden container needs for Docker",
    argv: ({ vmid }) => ["/usr/sbin/pct", "set", String(vmid), "--features", "keyctl=1,nesting=1"],
  },
  "mount-by-uuid": {
    why: "mounting a file system is root's",
    argv: ({ uuid }) => ["/usr/bin/systemd-mount", "--no-block", "--collect", `/dev/disk/by-uuid/${uuid}`],
  },
};

/** The command that does `operation`; it never passes a shell. */
export function operationCommand(operation: HostOperation, privilege: Privilege): Command {
  const { name, ...parameters } = operation;
  const flags = Object.entries(parameters).map(([key, value]) => `--${key}=${value}`);
  return {
    argv: privilege === "sudo" ? ["/usr/bin/sudo", "-n", "--", ...asRoot, name, ...flags] : argvOf(operation),
    env: {},
    stdin: false,
    timeout: 60_000,
  };
}

function argvOf(operation: HostOperation): string[] {
  switch (operation.name) {
    case "reboot":
      return hostOperations.reboot.argv(operation);
    case "boot-from-network":
      return hostOperations["boot-from-network"].argv(operation);
    case "read-smart":
      return hostOperations["read-smart"].argv(operation);
    case "read-sensors":
      return hostOperations["read-sensors"].argv(operation);
    case "allow-lxc-keyctl":
      return hostOperations["allow-lxc-keyctl"].argv(operation);
    case "mount-by-uuid":
      return hostOperations["mount-by-uuid"].argv(operation);
  }
}

/** `/etc/sudoers.d/labctl-agent`, made from the list above. */
export function renderSudoers(): string {
  const lines = Object.entries(hostOperations).map(
    ([name, { why }]) =>
      `# ${why}\nlabctl-agent ALL=(root) NOPASSWD: ${asRoot.join(" ")} ${name}, ${asRoot.join(" ")} ${name} *`,
  );
  return [
    "# What the labctl agent may do as root, where it does not run as root itself.",
    "# labctl checks the arguments before it does anything.",
    "Defaults:labctl-agent env_reset, !setenv, !requiretty",
    ...lines,
    "",
  ].join("\n");
}
