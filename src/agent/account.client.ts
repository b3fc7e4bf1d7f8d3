import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** A user of this host, as passwd(5) has it. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
  home: string;
  shell: string;
}

/** Milliseconds a directory service may take to answer. */
const patience = 3_000;

/** Local users from the file; others from wherever this host gets its users (LDAP, sssd). */
export function findAccount(name: string): Account | undefined {
  const local = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((line) => line.startsWith(`${name}:`));
  return parseAccount(
    local ?? spawnSync("getent", ["passwd", name], { timeout: patience }).stdout?.toString() ?? "",
  );
}

/** Whom this process runs as; one that no file knows is its number. */
export function ownAccount(): Account {
  const uid = process.getuid?.() ?? 0;
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((each) => each.split(":")[2] === String(uid));
  return parseAccount(line ?? "") ?? { name: String(uid), uid, gid: uid, home: "/", shell: "/bin/sh" };
}

function parseAccount(line: string): Account | undefined {
  const [name, , uid, gid, , home, shell] = line.trim().split(":");
  if (name === undefined || uid === undefined || gid === undefined) return undefined;
  return { name, uid: Number(uid), gid: Number(gid), home: home ?? "/", shell: shell ?? "/bin/sh" };
}
