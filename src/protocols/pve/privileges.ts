/** A privilege and the path it is wanted on: `VM.PowerMgmt` on `/vms/101`. Any one of `privileges` will do. */
export interface Need {
  path: string;
  privileges: readonly string[];
}

/** The role of `labctl proxmox role` that grants on such a path. */
export function roleFor(path: string): string {
  if (path.startsWith("/storage")) return "labctl-storage";
  if (path.startsWith("/nodes")) return "labctl-node";
  return path.startsWith("/sdn") ? "labctl-network" : "labctl-guests";
}

/** The commands, for a root shell on a node, that would grant what is missing. */
export function grantCommands(need: Need, owner: { user: string; tokenid: string }): string[] {
  const role = roleFor(need.path);
  const wanted = need.privileges[0] ?? "";
  return [
    `pveum role modify ${role} --append 1 --privs ${wanted}`,
    // Rights are the token's and its owner's: granting one alone changes nothing.
    `pveum acl modify ${need.path} --roles ${role} --users ${owner.user}`,
    `pveum acl modify ${need.path} --roles ${role} --tokens '${owner.user}!${owner.tokenid}'`,
  ];
}

export type PermissionMap = Readonly<Record<string, Readonly<Record<string, boolean>>>>;

/**
 * Whether the token holds one of `need.privileges` on `need.path`. `permissions` is what the API reports: the
 * paths with an entry, each with its privileges and whether they reach further down; the nearest entry counts.
 */
export function holds(permissions: PermissionMap, need: Need): boolean {
  for (let path = need.path; ; path = parentOf(path)) {
    const granted = permissions[path];
    if (granted) {
      const own = path === need.path;
      if (need.privileges.some((name) => (own ? granted[name] !== undefined : granted[name] === true)))
        return true;
      // A nearer entry replaces what comes from above, unless nothing of it reaches down to here.
      if (own || Object.values(granted).some(Boolean)) return false;
    }
    if (path === "/") return false;
  }
}

function parentOf(path: string): string {
  const cut = path.lastIndexOf("/");
  return cut <= 0 ? "/" : path.slice(0, cut);
}
