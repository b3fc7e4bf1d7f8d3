import { denied } from "./failure.ts";
import type { Major } from "./params.ts";

export interface AclEntry {
  path: string;
  /** `lab@pve`, or `lab@pve!appliance` for the token alone. */
  who: string;
  role: string;
  propagate: boolean;
}

export interface Token {
  secret: string;
  /** The token has rights of its own, and never more than its owner. */
  privsep: boolean;
  /** Seconds since the epoch; 0 never. */
  expire: number;
}

/** Who calls: a user by way of one of its tokens. */
export interface Caller {
  user: string;
  tokenid: string;
  privsep: boolean;
}

export const callerId = (caller: Caller) => `${caller.user}!${caller.tokenid}`;

const vm = [
  "VM.Audit",
  "VM.PowerMgmt",
  "VM.Allocate",
  "VM.Clone",
  "VM.Backup",
  "VM.Snapshot",
  "VM.Snapshot.Rollback",
];
const vmConfig = ["Disk", "CDROM", "CPU", "Memory", "Network", "HWType", "Options", "Cloudinit"].map(
  (name) => `VM.Config.${name}`,
);
const rest = [
  "VM.Migrate",
  "Datastore.Allocate",
  "Datastore.AllocateSpace",
  "Datastore.AllocateTemplate",
  "Datastore.Audit",
  "Pool.Audit",
  "Pool.Allocate",
  "Sys.Audit",
  "Sys.Modify",
  "Sys.Syslog",
];

/** The privileges a version knows: 9 split the guest agent's from VM.Monitor, 8 brought SDN.Use. */
export function knownPrivileges(major: Major): string[] {
  const agent = major >= 9 ? ["VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted"] : ["VM.Monitor"];
  const sdn = major >= 8 ? ["SDN.Use", "SDN.Audit"] : [];
  return [...vm, ...vmConfig, ...rest, ...agent, ...sdn];
}

export class Rights {
  readonly users = new Map<string, Map<string, Token>>();
  readonly roles = new Map<string, Set<string>>();
  readonly pools = new Map<string, { comment?: string; vms: Set<number>; storages: Set<string> }>();
  acl: AclEntry[] = [];
  readonly #major: Major;

  constructor(major: Major) {
    this.#major = major;
    this.roles.set("Administrator", new Set(knownPrivileges(major)));
  }

  addToken(user: string, tokenid: string, token: Token): void {
    const tokens = this.users.get(user) ?? new Map<string, Token>();
    tokens.set(tokenid, token);
    this.users.set(user, tokens);
  }

  /** A role of privileges this version knows; another one is a 400 on the real thing too. */
  addRole(name: string, privileges: readonly string[]): void {
    const known = knownPrivileges(this.#major);
    for (const privilege of privileges) {
      if (!known.includes(privilege)) throw new Error(`invalid privilege '${privilege}'`);
    }
    this.roles.set(name, new Set(privileges));
  }

  grant(path: string, who: string, role: string, propagate = true): void {
    this.acl.push({ path, who, role, propagate });
  }

  /** By privilege, whether it reaches further down. */
  effective(caller: Caller, path: string): Map<string, boolean> {
    const own = this.#with(caller.user, path);
    if (!caller.privsep) return own;
    const token = this.#with(callerId(caller), path);
    return new Map([...token].filter(([name]) => own.has(name)));
  }

  can(caller: Caller, path: string, any: readonly string[]): boolean {
    const held = this.effective(caller, path);
    return any.some((name) => held.has(name));
  }

  /** Any one of them will do. */
  demand(caller: Caller, path: string, any: readonly string[]): void {
    if (!this.can(caller, path, any)) throw denied(path, any);
  }

  poolOf(vmid: number): string | undefined {
    return [...this.pools].find(([, pool]) => pool.vms.has(vmid))?.[0];
  }

  #with(who: string, path: string): Map<string, boolean> {
    const held = this.#along(who, path);
    const vmid = /^\/vms\/(\d+)$/.exec(path)?.[1];
    const pool = vmid === undefined ? undefined : this.poolOf(Number(vmid));
    if (pool !== undefined) {
      for (const name of this.#along(who, `/pool/${pool}`).keys()) if (!held.has(name)) held.set(name, false);
    }
    return held;
  }

  /** From the root down, each level with an entry replacing what came from above. */
  #along(who: string, path: string): Map<string, boolean> {
    const parts = path.split("/").filter(Boolean);
    let held = new Map<string, boolean>();
    for (let depth = 0; depth <= parts.length; depth++) {
      const level = `/${parts.slice(0, depth).join("/")}`;
      const entries = this.acl.filter(
        (entry) => entry.who === who && entry.path === level && (entry.propagate || level === path),
      );
      if (entries.length === 0) continue;
      held = new Map();
      for (const entry of entries)
        for (const name of this.roles.get(entry.role) ?? []) held.set(name, entry.propagate);
    }
    return held;
  }
}
