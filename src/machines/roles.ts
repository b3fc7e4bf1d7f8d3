/** What a machine is for: decides the volumes on its disk. Sizes are MiB. */
export interface Role {
  name: string;
  description: string;
  /** Gets what k3s asks of a host. */
  kubernetes: boolean;
  root: { minMib: number; maxMib: number; sharePercent: number };
  /** The volume that holds the role's data; it survives a reinstall unless `wipe` is said. */
  data?: { volume: string; mount: string; minMib: number };
}

export const roles = {
  worker: {
    name: "worker",
    description: "runs workloads; replicated storage on a volume of its own",
    kubernetes: true,
    root: { minMib: 4096, maxMib: 51_200, sharePercent: 30 },
    data: { volume: "longhorn", mount: "/var/lib/longhorn", minMib: 1024 },
  },
  infra: {
    name: "infra",
    description: "runs the cluster's control plane; its state on a volume of its own",
    kubernetes: true,
    root: { minMib: 4096, maxMib: 51_200, sharePercent: 40 },
    data: { volume: "rancher", mount: "/var/lib/rancher", minMib: 1024 },
  },
  plain: {
    name: "plain",
    description: "one root file system on the whole disk",
    kubernetes: false,
    root: { minMib: 3072, maxMib: 0, sharePercent: 100 },
  },
} as const satisfies Record<string, Role>;

export type RoleName = keyof typeof roles;
// checked: the keys of `roles` are the role names, and the tuple is not empty
export const roleNames = Object.keys(roles) as [RoleName, ...RoleName[]];

/** What a machine is when nothing else is said. */
export const defaultRole: RoleName = "plain";

export const roleOf = (name: RoleName): Role => roles[name];

/** The volume group every role's volumes live in. */
export const volumeGroup = "labctl";

/** Before the volumes: BIOS boot partition, EFI system partition, /boot. */
export const bootMib = { bios: 1, esp: 512, boot: 1024 } as const;

/** The smallest disk (bytes) a role fits on, boot partitions included; behind an image of so many, where it gets one. */
export function minimumDiskBytes(role: Role, imageBytes = 0): number {
  const slackMib = 16;
  const dataMib = role.data === undefined ? 0 : role.data.minMib + slackMib;
  const mib =
    bootMib.bios + bootMib.esp + bootMib.boot + slackMib + role.root.minMib + (role.data?.minMib ?? 0);
  return Math.max(mib * 1024 * 1024, imageBytes + dataMib * 1024 * 1024);
}
