import { z } from "zod";
import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import { nearest } from "../platform/nearest.ts";
import { type Precondition, whatever } from "../platform/precondition.ts";
import type { Queries, Store } from "../store/database.ts";
import type { AuditLog } from "./audit-log.ts";
import {
  addMember,
  bindRole,
  deleteRole,
  deleteUser,
  findRole,
  findUser,
  groupsOf,
  insertUser,
  listBindings,
  listMembers,
  listRoles,
  listUsers,
  membersOf,
  removeMember,
  rolesHeld,
  unbindRole,
  upsertRole,
} from "./directory-repository.ts";
import { type Role, seededRoles } from "./permissions.ts";
import type { Actor } from "./principal.ts";

/** What a user, group or role may be called. */
export const subjectName = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/,
    "must be lower case letters, digits, dots, dashes; 64 at most",
  );

export const grantSchema = z.object({
  effect: z.enum(["allow", "deny"]),
  permission: z.string().regex(/^(\*|[a-z-]+):(\*|[a-z-]+)$/, "must be resource:verb, either may be *"),
  labels: z.record(z.string(), z.string()).optional(),
});
const grantsSchema = z.array(grantSchema).max(200);

export interface UserView {
  name: string;
  createdAt: number;
  disabled: boolean;
  groups: string[];
  roles: string[];
}

export interface Group {
  name: string;
  /** Users, in order. */
  members: string[];
}

export interface Subject {
  kind: "user" | "group" | "token";
  name: string;
}

/** Users, groups and the roles they hold. */
export interface Directory {
  /** What the subject may do; empty for one that is unknown or disabled. */
  rolesOf(kind: "user" | "token", name: string): Promise<Role[]>;
  users(): Promise<UserView[]>;
  roles(): Promise<Role[]>;
  /** The user and its roles, or neither. */
  createUser(actor: Actor, name: string, roles?: readonly string[]): Promise<void>;
  /** Within the caller's transaction, which takes back what it can prove itself by. @throws `not-found`. */
  deleteUser(tx: Queries, actor: Actor, name: string): Promise<void>;
  /** @throws `not-found` for a user that is not there. */
  knownUser(tx: Queries, name: string): Promise<void>;
  groups(): Promise<Group[]>;
  /** Makes the group have these members, none: no group. @throws `not-found` for a user that is not there. */
  setGroup(actor: Actor, group: Group, precondition?: Precondition): Promise<void>;
  setRole(actor: Actor, role: Role, precondition?: Precondition): Promise<void>;
  deleteRole(actor: Actor, name: string): Promise<void>;
  setBinding(actor: Actor, subject: Subject, role: string, bound: boolean): Promise<void>;
  /** Gives roles within the caller's transaction. @throws `not-found` for one that is not there. */
  bind(tx: Queries, actor: Actor, subject: Subject, roles: readonly string[]): Promise<void>;
}

const maxUsers = 10_000;

export function createDirectory(store: Store, audit: AuditLog, clock: Clock): Directory {
  async function roles(): Promise<Role[]> {
    const own = (await listRoles(store.read)).map(({ name, summary, grants }) => ({
      name,
      summary,
      grants: grantsSchema.parse(grants),
    }));
    return [...seededRoles, ...own].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async function knownRole(name: string): Promise<void> {
    const names = (await roles()).map((role) => role.name);
    if (names.includes(name)) return;
    const close = nearest(name, names);
    throw new AppError("not-found", `there is no role '${name}'`, {
      hint: close === undefined ? "labctl get roles" : `did you mean '${close}'?`,
    });
  }

  async function bind(tx: Queries, actor: Actor, subject: Subject, wanted: readonly string[]): Promise<void> {
    for (const role of wanted) {
      await knownRole(role);
      await bindRole(tx, { subjectKind: subject.kind, subject: subject.name, role });
      await audit.append(tx, actor, {
        action: "roles:bind",
        resource: `${subject.kind}/${subject.name}`,
        detail: `+${role}`,
      });
    }
  }

  async function knownUser(tx: Queries, name: string): Promise<void> {
    if ((await findUser(tx, name)) !== undefined) return;
    throw new AppError("not-found", `there is no user '${name}'`, { hint: "labctl get users" });
  }

  const notSeeded = (name: string) => {
    if (!seededRoles.some((role) => role.name === name)) return;
    throw new AppError("conflict", `the role '${name}' is part of labctl and cannot be changed`, {
      hint: "make one of your own under another name",
    });
  };

  return {
    roles,
    async rolesOf(kind, name) {
      if (kind === "user") {
        const user = await findUser(store.read, name);
        if (user === undefined || user.disabledAt !== null) return [];
      }
      const groups = kind === "user" ? await groupsOf(store.read, name) : [];
      const held = await rolesHeld(store.read, kind, name, groups);
      return (await roles()).filter((role) => held.includes(role.name));
    },
    async users() {
      const [rows, members, bindings] = await Promise.all([
        listUsers(store.read, maxUsers),
        listMembers(store.read),
        listBindings(store.read),
      ]);
      return rows.map(({ name, createdAt, disabledAt }) => ({
        name,
        createdAt,
        disabled: disabledAt !== null,
        groups: members.filter((each) => each.userName === name).map((each) => each.groupName),
        roles: bindings
          .filter((each) => each.subjectKind === "user" && each.subject === name)
          .map((each) => each.role),
      }));
    },
    bind,
    createUser: (actor, name, roles = []) =>
      store.transaction(async (tx) => {
        if (!(await insertUser(tx, name, clock.now()))) {
          throw new AppError("conflict", `there is a user '${name}' already`);
        }
        await audit.append(tx, actor, { action: "users:create", resource: `user/${name}` });
        await bind(tx, actor, { kind: "user", name }, roles);
      }),
    knownUser,
    async deleteUser(tx, actor, name) {
      if (!(await deleteUser(tx, name))) throw new AppError("not-found", `there is no user '${name}'`);
      await audit.append(tx, actor, { action: "users:delete", resource: `user/${name}` });
    },
    async groups() {
      const groups = new Map<string, string[]>();
      for (const { groupName, userName } of await listMembers(store.read))
        groups.set(groupName, [...(groups.get(groupName) ?? []), userName]);
      return [...groups].map(([name, members]) => ({ name, members: members.sort() }));
    },
    async setGroup(actor, { name, members: wanted }, precondition = whatever) {
      const members = [...new Set(wanted)].sort();
      await store.transaction(async (tx) => {
        const before = (await membersOf(tx, name)).sort();
        precondition(before.length === 0 ? undefined : { name, members: before });
        for (const user of members.filter((each) => !before.includes(each))) {
          await knownUser(tx, user);
          await addMember(tx, name, user);
        }
        for (const user of before.filter((each) => !members.includes(each)))
          await removeMember(tx, name, user);
        await audit.append(tx, actor, {
          action: "groups:update",
          resource: `group/${name}`,
          detail: members.join(" "),
        });
      });
    },
    async setRole(actor, role, precondition = whatever) {
      notSeeded(role.name);
      const grants = grantsSchema.parse(role.grants);
      await store.transaction(async (tx) => {
        const before = await findRole(tx, role.name);
        precondition(before);
        await upsertRole(tx, { name: role.name, summary: role.summary, grants });
        await audit.append(tx, actor, { action: "roles:update", resource: `role/${role.name}` });
      });
    },
    async deleteRole(actor, name) {
      notSeeded(name);
      await store.transaction(async (tx) => {
        if (!(await deleteRole(tx, name))) throw new AppError("not-found", `there is no role '${name}'`);
        await audit.append(tx, actor, { action: "roles:delete", resource: `role/${name}` });
      });
    },
    async setBinding(actor, subject, role, bound) {
      await knownRole(role);
      await store.transaction(async (tx) => {
        if (bound && subject.kind === "user") await knownUser(tx, subject.name);
        await (bound ? bindRole : unbindRole)(tx, { subjectKind: subject.kind, subject: subject.name, role });
        await audit.append(tx, actor, {
          action: "roles:bind",
          resource: `${subject.kind}/${subject.name}`,
          detail: `${bound ? "+" : "-"}${role}`,
        });
      });
    },
  };
}
