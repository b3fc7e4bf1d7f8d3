import { hostOperationSchema } from "../fleet/protocol.ts";
import { AppError } from "../platform/errors.ts";
import { nearest } from "../platform/nearest.ts";
import { defineRemoteCommand } from "./remote.ts";
import { ownOutput, runRemote } from "./remote-command.ts";

const names = hostOperationSchema.options.map((option) => option.shape.name.value);

export const operate = defineRemoteCommand({
  summary: "one of the few things an agent does as root on a host",
  example: "labctl operate server/node1 boot-from-network",
  args: {
    target: { type: "positional", required: true, description: "server/NAME" },
    operation: { type: "positional", required: true, description: names.join(", ") },
    device: { type: "string", description: "read-smart: the disk, for example /dev/sda" },
    vmid: { type: "string", description: "allow-lxc-keyctl: the container, on its Proxmox node" },
    uuid: { type: "string", description: "mount-by-uuid: the file system" },
  },
  run: async ({ target, operation: name, device, vmid, uuid }, { open }) => {
    if (!target.startsWith("server/"))
      throw new AppError("usage", `'${target}' is not a host`, { hint: "server/NAME" });
    const operation = hostOperationSchema.safeParse({ name, device, vmid, uuid });
    if (!operation.success) {
      const known = names.some((each) => each === name);
      const issue = operation.error.issues[0];
      const close = nearest(name, names);
      throw new AppError(
        "usage",
        known ? `--${issue?.path.join(".")}: ${issue?.message}` : `there is no operation '${name}'`,
        {
          hint: known || close === undefined ? "labctl operate --help" : `did you mean '${close}'?`,
        },
      );
    }
    const exit = await runRemote(
      await open(target.slice("server/".length), "exec"),
      { kind: "operate", operation: operation.data },
      ownOutput,
    );
    if (exit.reason !== undefined) throw new AppError("failed", exit.reason);
    process.exitCode = exit.code ?? 1;
  },
});
