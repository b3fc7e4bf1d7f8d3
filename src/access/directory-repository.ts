import { and, asc, eq, inArray, or } from "drizzle-orm";
import type { Queries } from "../store/database.ts";
import { groupMembers, roleBindings, roles, users } from "../store/schema/access.ts";

export type UserRow = typeof users.$inferSelect;
export type RoleRow = typeof roles.$inferSelect;
export type BindingRow = typeof roleBindings.$inferSelect;

export async function findUser(read: Queries, name: string): Promise<UserRow | undefined> {
  const [row] = await read.select().from(users).where(eq(users.name, name)).limit(1);
  return row;
}

/** False when there is one of that name already. */
export async function insertUser(tx: Queries, name: string, createdAt: number): Promise<boolean> {
  const rows = await tx
    .insert(users)
    .values({ name, createdAt })
    .onConflictDoNothing()
    .returning({ name: users.name });
  return rows.length > 0;
}

export async function deleteUser(tx: Queries, name: string): Promise<boolean> {
  await tx
    .delete(roleBindings)
    .where(and(eq(roleBindings.subjectKind, "user"), eq(roleBindings.subject, name)));
  const rows = await tx.delete(users).where(eq(users.name, name)).returning({ name: users.name });
  return rows.length > 0;
}

export const listUsers = (read: Queries, limit: number): Promise<UserRow[]> =>
  read.select().from(users).orderBy(asc(users.name)).limit(limit);

export async function groupsOf(read: Queries, user: string): Promise<string[]> {
  const rows = await read.select().from(groupMembers).where(eq(groupMembers.userName, user));
  return rows.map((row) => row.groupName);
}

export const listMembers = (read: Queries) =>
  read.select().from(groupMembers).orderBy(asc(groupMembers.groupName));

export async function membersOf(read: Queries, groupName: string): Promise<string[]> {
  const rows = await read.select().from(groupMembers).where(eq(groupMembers.groupName, groupName));
  return rows.map((row) => row.userName);
}

export async function addMember(tx: Queries, groupName: string, userName: string): Promise<void> {
  await tx.insert(groupMembers).values({ groupName, userName }).onConflictDoNothing();
}

export async function removeMember(tx: Queries, groupName: string, userName: string): Promise<void> {
  await tx
    .delete(groupMembers)
    .where(and(eq(groupMembers.groupName, groupName), eq(groupMembers.userName, userName)));
}

export const listRoles = (read: Queries): Promise<RoleRow[]> =>
  read.select().from(roles).orderBy(asc(roles.name));

export async function findRole(read: Queries, name: string): Promise<RoleRow | undefined> {
  const [row] = await read.select().from(roles).where(eq(roles.name, name)).limit(1);
  return row;
}

export async function upsertRole(tx: Queries, row: RoleRow): Promise<void> {
  await tx
    .insert(roles)
    .values(row)
    .onConflictDoUpdate({ target: roles.name, set: { summary: row.summary, grants: row.grants } });
}

export async function deleteRole(tx: Queries, name: string): Promise<boolean> {
  await tx.delete(roleBindings).where(eq(roleBindings.role, name));
  const rows = await tx.delete(roles).where(eq(roles.name, name)).returning({ name: roles.name });
  return rows.length > 0;
}

export async function bindRole(tx: Queries, binding: BindingRow): Promise<void> {
  await tx.insert(roleBindings).values(binding).onConflictDoNothing();
}

export async function unbindRole(tx: Queries, { subjectKind, subject, role }: BindingRow): Promise<void> {
  await tx
    .delete(roleBindings)
    .where(
      and(
        eq(roleBindings.subjectKind, subjectKind),
        eq(roleBindings.subject, subject),
        eq(roleBindings.role, role),
      ),
    );
}

export const listBindings = (read: Queries): Promise<BindingRow[]> => read.select().from(roleBindings);

/** Names of the roles a subject holds, by itself or by a group. */
export async function rolesHeld(
  read: Queries,
  subjectKind: "user" | "token",
  subject: string,
  groups: readonly string[],
): Promise<string[]> {
  const rows = await read
    .selectDistinct({ role: roleBindings.role })
    .from(roleBindings)
    .where(
      or(
        and(eq(roleBindings.subjectKind, subjectKind), eq(roleBindings.subject, subject)),
        groups.length === 0
          ? undefined
          : and(eq(roleBindings.subjectKind, "group"), inArray(roleBindings.subject, [...groups])),
      ),
    );
  return rows.map((row) => row.role);
}
