import { holds, type Need, type PermissionMap } from "./privileges.ts";

/** What a token may be wanted for; each feature has its own least privileges. */
export const features = ["sandboxes", "containers", "backups", "iso", "migration"] as const;
export type Feature = (typeof features)[number];

/** Where the features work. */
export interface Scope {
  features: readonly Feature[];
  /** Major version of the cluster. */
  major: number;
  pool: string;
  storages: readonly string[];
  bridges: readonly string[];
  nodes: readonly string[];
}

const always = ["VM.Audit", "Pool.Audit"];
const guestPrivileges: Record<Feature, readonly string[]> = {
  sandboxes: [
    "VM.Allocate",
    "VM.Clone",
    "VM.PowerMgmt",
    "VM.Snapshot",
    "VM.Snapshot.Rollback",
    "VM.Config.CPU",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.Config.HWType",
    "VM.Config.Disk",
    "VM.Config.CDROM",
    "VM.Config.Cloudinit",
  ],
  containers: [
    "VM.Allocate",
    "VM.PowerMgmt",
    "VM.Config.Memory",
    "VM.Config.Disk",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.Config.CPU",
  ],
  backups: ["VM.Backup"],
  iso: ["VM.Config.CDROM"],
  migration: ["VM.Migrate"],
};

/** VM.Monitor until 8; a role with it is refused by 9, which split it. */
export const agentPrivilege = (major: number) => (major >= 9 ? "VM.GuestAgent.Audit" : "VM.Monitor");

export interface Grant {
  /** The end of the role's name. */
  role: "guests" | "storage" | "node" | "network";
  privileges: readonly string[];
  paths: readonly string[];
}

/** One role for each kind of path, and nothing on `/`. */
export function grantsFor(scope: Scope): Grant[] {
  const wanted = new Set(scope.features);
  const guests = new Set([...always, ...scope.features.flatMap((feature) => guestPrivileges[feature])]);
  if (wanted.has("sandboxes")) guests.add(agentPrivilege(scope.major));
  const storage = [
    "Datastore.AllocateSpace",
    "Datastore.Audit",
    ...(wanted.has("iso") ? ["Datastore.AllocateTemplate"] : []),
  ];
  const grants: Grant[] = [
    { role: "guests", privileges: [...guests].sort(), paths: [`/pool/${scope.pool}`] },
    { role: "storage", privileges: storage, paths: scope.storages.map((name) => `/storage/${name}`) },
    { role: "node", privileges: ["Sys.Audit"], paths: scope.nodes.map((name) => `/nodes/${name}`) },
  ];
  if (scope.major >= 8) {
    const paths = scope.bridges.map((name) => `/sdn/zones/localnetwork/${name}`);
    grants.push({ role: "network", privileges: ["SDN.Use"], paths });
  }
  return grants.filter(({ paths }) => paths.length > 0);
}

/** Every single privilege the scope wants, where it wants it. */
export function needsOf(scope: Scope): Need[] {
  return grantsFor(scope).flatMap(({ privileges, paths }) =>
    paths.flatMap((path) => privileges.map((name) => ({ path, privileges: [name] }))),
  );
}

export function missingNeeds(scope: Scope, permissions: PermissionMap): Need[] {
  return needsOf(scope).filter((need) => !holds(permissions, need));
}

export interface RoleRequest extends Scope {
  /** `labctl@pve` */
  user: string;
  tokenid: string;
  /** In front of each role's name. */
  prefix: string;
  template?: number | undefined;
}

/** The commands for a root shell on a node, in an order that works: a token has to be there before its rights. */
export function renderRoleCommands(request: RoleRequest): string[] {
  const { user, tokenid, prefix, pool, template } = request;
  const grants = grantsFor(request);
  const token = `${user}!${tokenid}`;
  return [
    ...grants.map(
      ({ role, privileges }) => `pveum role add ${prefix}-${role} --privs '${privileges.join(" ")}'`,
    ),
    `pveum pool add ${pool}`,
    ...(template === undefined ? [] : [`pveum pool modify ${pool} --vms ${template}`]),
    `pveum user add ${user} --comment 'labctl: no password, tokens only'`,
    `pveum user token add ${user} ${tokenid} --privsep 1`,
    ...grants.flatMap(({ role, paths }) =>
      paths.flatMap((path) => [
        `pveum acl modify ${path} --users ${user} --roles ${prefix}-${role}`,
        `pveum acl modify ${path} --tokens '${token}' --roles ${prefix}-${role}`,
      ]),
    ),
  ];
}
