import { expect, test } from "bun:test";
import { covers, decideAccess, mayForSome, type Role, seededRoles } from "./permissions.ts";

const role = (name: string, ...grants: Role["grants"]): Role => ({ name, summary: "", grants });
const seeded = (name: string) => seededRoles.filter((each) => each.name === name);

test("a pattern names exactly its resource and verb, * names all of them", () => {
  expect(covers("machines:read", "machines:read")).toBe(true);
  expect(covers("machines:read", "machines:readall")).toBe(false);
  expect(covers("machines:*", "machines:forget")).toBe(true);
  expect(covers("*:read", "machines:read")).toBe(true);
  expect(covers("*", "machines:read")).toBe(false);
});

test("deny wins over allow, whichever role it comes from and whatever the order", () => {
  const allow = role("a", { effect: "allow", permission: "*:*" });
  const deny = role("d", { effect: "deny", permission: "servers:exec" });
  for (const roles of [
    [allow, deny],
    [deny, allow],
  ]) {
    expect(decideAccess(roles, "servers:exec")).toEqual({ allowed: false, because: "d denies servers:exec" });
    expect(decideAccess(roles, "servers:read").allowed).toBe(true);
  }
});

test("what nobody allowed is denied, and says what was missing", () => {
  expect(decideAccess([], "machines:read")).toEqual({
    allowed: false,
    because: "no role of yours allows machines:read",
  });
});

test("a label scope holds for resources that carry all its labels, and for no other", () => {
  const scoped = [
    role("dev", { effect: "allow", permission: "servers:exec", labels: { env: "dev", site: "a" } }),
  ];
  expect(decideAccess(scoped, "servers:exec", { env: "dev", site: "a", rack: "1" }).allowed).toBe(true);
  expect(decideAccess(scoped, "servers:exec", { env: "dev" }).allowed).toBe(false);
  expect(decideAccess(scoped, "servers:exec").allowed).toBe(false);
});

test("a scoped deny takes its resources out of a general allow", () => {
  const roles = [
    role("ops", { effect: "allow", permission: "servers:*" }),
    role("care", { effect: "deny", permission: "servers:exec", labels: { env: "prod" } }),
  ];
  expect(decideAccess(roles, "servers:exec", { env: "prod" }).allowed).toBe(false);
  expect(decideAccess(roles, "servers:exec", { env: "dev" }).allowed).toBe(true);
  expect(mayForSome(roles, "servers:exec")).toBe(true);
});

test("a list is refused outright only where nothing in it could be allowed", () => {
  expect(
    mayForSome(
      [role("x", { effect: "allow", permission: "servers:read", labels: { a: "b" } })],
      "servers:read",
    ),
  ).toBe(true);
  expect(
    mayForSome(
      [role("x", { effect: "allow", permission: "*:*" }, { effect: "deny", permission: "servers:read" })],
      "servers:read",
    ),
  ).toBe(false);
});

test("viewer reads and changes nothing; operator manages neither users nor roles", () => {
  expect(decideAccess(seeded("viewer"), "machines:read").allowed).toBe(true);
  expect(decideAccess(seeded("viewer"), "machines:install").allowed).toBe(false);
  expect(decideAccess(seeded("viewer"), "servers:exec").allowed).toBe(false);
  expect(decideAccess(seeded("operator"), "servers:exec").allowed).toBe(true);
  expect(decideAccess(seeded("operator"), "users:create").allowed).toBe(false);
  expect(decideAccess(seeded("admin"), "ca:rotate").allowed).toBe(true);
});
