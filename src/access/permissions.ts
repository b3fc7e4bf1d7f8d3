/** `resource:verb`, either side may be `*`: `machines:read`, `servers:exec`, `*:read`. */
export type PermissionPattern = string;
/** What one action needs, no wildcard: `servers:exec`. */
export type Permission = `${string}:${string}`;
export type Labels = Readonly<Record<string, string>>;

export interface Grant {
  effect: "allow" | "deny";
  permission: PermissionPattern;
  /** Holds only for resources that carry all of these labels; absent: for all of them. */
  labels?: Labels;
}

export interface Role {
  name: string;
  summary: string;
  grants: readonly Grant[];
}

/** The roles a fresh installation has; they can be changed by nobody, so that they always mean the same. */
export const seededRoles: readonly Role[] = [
  { name: "admin", summary: "everything", grants: [{ effect: "allow", permission: "*:*" }] },
  {
    name: "operator",
    summary: "runs the lab: machines, images, hosts, commands; neither users nor roles nor keys",
    grants: [
      "machines:*",
      "images:*",
      "servers:*",
      "agents:read",
      "agents:revoke",
      "bastions:*",
      "tokens:*",
      "audit:read",
      "status:read",
      "status:logs",
      "metrics:read",
    ].map((permission) => ({ effect: "allow", permission })),
  },
  {
    name: "viewer",
    summary: "sees machines, images, hosts and their logs; changes nothing",
    grants: [
      "machines:read",
      "images:read",
      "servers:read",
      "servers:logs",
      "agents:read",
      "bastions:read",
      "status:read",
      "metrics:read",
    ].map((permission) => ({
      effect: "allow",
      permission,
    })),
  },
];

export type Decision = { allowed: true; because: string } | { allowed: false; because: string };

/** Deny wins over allow, and what nobody allowed is denied. `labels` are those of the resource acted on. */
export function decideAccess(roles: readonly Role[], permission: Permission, labels: Labels = {}): Decision {
  let allowed: string | undefined;
  for (const role of roles) {
    for (const grant of role.grants) {
      if (!covers(grant.permission, permission) || !carries(labels, grant.labels)) continue;
      if (grant.effect === "deny")
        return { allowed: false, because: `${role.name} denies ${grant.permission}` };
      allowed ??= `${role.name} allows ${grant.permission}`;
    }
  }
  return allowed === undefined
    ? { allowed: false, because: `no role of yours allows ${permission}` }
    : { allowed: true, because: allowed };
}

/** Whether it may let somebody in as any user: to do that is to have every role somebody has. */
export const mayLetInAsAnybody = (roles: readonly Role[]): boolean =>
  decideAccess(roles, "users:create").allowed && decideAccess(roles, "roles:bind").allowed;

/** Whether the permission could be allowed for some resource: what a list asks before it filters. */
export function mayForSome(roles: readonly Role[], permission: Permission): boolean {
  const grants = roles.flatMap((role) => role.grants).filter((grant) => covers(grant.permission, permission));
  return (
    grants.some((grant) => grant.effect === "allow") &&
    !grants.some((grant) => grant.effect === "deny" && grant.labels === undefined)
  );
}

/** Whether `pattern` names `permission`. */
export function covers(pattern: PermissionPattern, permission: Permission): boolean {
  const [resource, verb] = pattern.split(":");
  const [wantedResource, wantedVerb] = permission.split(":");
  return (resource === "*" || resource === wantedResource) && (verb === "*" || verb === wantedVerb);
}

function carries(labels: Labels, wanted: Labels | undefined): boolean {
  return Object.entries(wanted ?? {}).every(([key, value]) => labels[key] === value);
}
