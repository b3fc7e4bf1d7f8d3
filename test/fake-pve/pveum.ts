import type { World } from "./world.ts";

/** Carries out `pveum` commands as a root shell on a node would; the secrets of the tokens it made. */
export function runPveum(world: World, commands: readonly string[]): Map<string, string> {
  const made = new Map<string, string>();
  for (const command of commands) {
    const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map((found) => found[1] ?? found[2] ?? "");
    const [program, noun, verb, ...rest] = words;
    if (program !== "pveum") throw new Error(`${program}: command not found`);
    const options = new Map<string, string>();
    const plain: string[] = [];
    for (let at = 0; at < rest.length; at++) {
      const word = rest[at] ?? "";
      if (word.startsWith("--")) options.set(word, rest[++at] ?? "");
      else plain.push(word);
    }
    carryOut(world, `${noun} ${verb}`, plain, options, made);
  }
  return made;
}

function carryOut(
  { rights }: World,
  what: string,
  plain: string[],
  options: Map<string, string>,
  made: Map<string, string>,
): void {
  const [first = "", second = "", third = ""] = plain;
  const privileges = (options.get("--privs") ?? "").split(/[\s,]+/).filter(Boolean);
  switch (what) {
    case "role add":
      if (rights.roles.has(first)) throw new Error(`role '${first}' already exists`);
      rights.addRole(first, privileges);
      return;
    case "role modify":
      if (!rights.roles.has(first)) throw new Error(`role '${first}' does not exist`);
      rights.addRole(first, [...(rights.roles.get(first) ?? []), ...privileges]);
      return;
    case "pool add":
      rights.pools.set(first, { vms: new Set(), storages: new Set() });
      return;
    case "pool modify": {
      const pool = rights.pools.get(first);
      if (!pool) throw new Error(`pool '${first}' does not exist`);
      const vmid = Number(options.get("--vms"));
      const before = rights.poolOf(vmid);
      if (before !== undefined) throw new Error(`VM ${vmid} is already a member of pool '${before}'`);
      pool.vms.add(vmid);
      return;
    }
    case "user add":
      rights.users.set(first, new Map());
      return;
    case "user token": {
      if (first !== "add" || !rights.users.has(second)) throw new Error(`no such user ('${second}')`);
      const secret = crypto.randomUUID();
      rights.addToken(second, third, { secret, privsep: options.get("--privsep") !== "0", expire: 0 });
      made.set(`${second}!${third}`, secret);
      return;
    }
    case "acl modify": {
      const who = options.get("--users") ?? options.get("--tokens") ?? "";
      const [user = "", token] = who.split("!");
      const known = token === undefined ? rights.users.has(user) : rights.users.get(user)?.has(token);
      if (!known) throw new Error(`no such user or API token ('${who}')`);
      const role = options.get("--roles") ?? "";
      if (!rights.roles.has(role)) throw new Error(`role '${role}' does not exist`);
      rights.grant(first, who, role);
      return;
    }
    default:
      throw new Error(`unknown command 'pveum ${what}'`);
  }
}
