import { type HostOperation, hostOperationSchema } from "../fleet/protocol.ts";
import { AppError } from "../platform/errors.ts";
import { nearest } from "../platform/nearest.ts";

const names = hostOperationSchema.options.map((option) => option.shape.name.value);

export const operationArguments = {
  operation: { type: "positional", required: true, description: names.join(", ") },
  device: { type: "string", description: "read-smart: the disk, for example /dev/sda" },
  vmid: { type: "string", description: "allow-lxc-keyctl: the container, on its Proxmox node" },
  uuid: { type: "string", description: "mount-by-uuid: the file system" },
} as const;

/** @throws `usage` for anything that is not on the list, or not as the list wants it. */
export function parseOperation({
  operation: name,
  device,
  vmid,
  uuid,
}: {
  operation: string;
  device?: string | undefined;
  vmid?: string | undefined;
  uuid?: string | undefined;
}): HostOperation {
  const operation = hostOperationSchema.safeParse({ name, device, vmid, uuid });
  if (operation.success) return operation.data;
  const known = names.some((each) => each === name);
  const issue = operation.error.issues[0];
  const close = nearest(name, names);
  throw new AppError(
    "usage",
    known ? `--${issue?.path.join(".")}: ${issue?.message}` : `there is no operation '${name}'`,
    { hint: known || close === undefined ? "labctl operate --help" : `did you mean '${close}'?` },
  );
}
