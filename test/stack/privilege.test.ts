import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildExecutable } from "../lab/artifacts.ts";
import { executable } from "../lab/bastion.ts";
import { createStack, type Stack } from "./stack.ts";

const id = 9871;
let stack: Stack;
let lab: string;
const labctl = (...words: string[]) => stack.labctl(...words);
const exec = (...words: string[]) => labctl("exec", "server/plain", "--", ...words);

/**
 * A host of its own for one agent, made of this one in a mount namespace: its user is in the password file, our sudoers
 * file is the only one, labctl is where the package puts it, and what an operation starts tells who started it.
 */
function furnish(): string {
  const bin = join(lab, "bin");
  const etc = join(lab, "etc");
  for (const path of [bin, etc]) mkdirSync(path, { recursive: true });
  copyFileSync(executable, join(bin, "labctl"));
  for (const program of ["systemctl", "smartctl"]) {
    writeFileSync(join(bin, program), `#!/bin/sh\necho "$(id -un): ${program} $*"\n`);
    chmodSync(join(bin, program), 0o755);
  }
  const add = (file: string, line: string) =>
    writeFileSync(join(etc, file), `${readFileSync(`/etc/${file}`, "utf8")}${line}\n`);
  add("passwd", `labctl-agent:x:${id}:${id}::/:/bin/sh`);
  add("group", `labctl-agent:x:${id}:`);
  add("shadow", "labctl-agent:*:20000:0:99999:7:::");
  chmodSync(join(etc, "shadow"), 0o640);
  const bind = ["passwd", "group", "shadow"].map((file) => `mount --bind ${etc}/${file} /etc/${file}`);
  return [
    "set -e",
    ...bind,
    "mount -t tmpfs -o mode=750 tmpfs /etc/sudoers.d",
    `install -m 0440 ${lab}/sudoers /etc/sudoers.d/labctl-agent`,
    // Programs of ours over those of the host.
    `mount -t overlay overlay -o lowerdir=${bin}:/usr/bin /usr/bin`,
    `mount -t overlay overlay -o lowerdir=${bin}:/usr/sbin /usr/sbin`,
    `exec setpriv --reuid=${id} --regid=${id} --clear-groups /usr/bin/labctl agent run --state ${lab}/plain`,
  ].join("\n");
}

beforeAll(async () => {
  await buildExecutable();
  stack = createStack();
  await stack.startLabd();
  await stack.join("plain");
  lab = join(stack.directory, "host");
  mkdirSync(lab);
  chmodSync(stack.directory, 0o755);
  cpSync(stack.stateOf("plain"), join(lab, "plain"), { recursive: true });
  for (const path of ["plain", "plain/agent.json"]) chownSync(join(lab, path), id, id);
  writeFileSync(join(lab, "sudoers"), (await labctl("agent", "sudoers")).stdout);
  stack.run("plain", ["unshare", "--mount", "--propagation", "private", "sh", "-c", furnish()]);
  await stack.connected("plain");
}, 60_000);
afterAll(() => stack.stop());

test("sudo itself finds the file of the package right", () => {
  const checked = Bun.spawnSync(["visudo", "-c", "-f", join(lab, "sudoers")]);
  expect(checked.stdout.toString()).toContain("parsed OK");
  expect(checked.exitCode).toBe(0);
});

test("an agent without root runs commands as itself, and as nobody else", async () => {
  expect((await exec("id", "-un")).stdout).toBe("labctl-agent\n");
  expect((await exec("cat", "/etc/shadow")).stderr).toContain("Permission denied");
  const other = await labctl("exec", "server/plain", "--user", "root", "--", "id");
  expect(other.stderr).toContain("the agent runs as labctl-agent here and cannot run commands as root");
});

test("it does the operations of the list as root, and they alone", async () => {
  expect((await labctl("operate", "server/plain", "reboot")).stdout).toBe("root: systemctl reboot\n");
  const smart = await labctl("operate", "server/plain", "read-smart", "--device", "/dev/sda");
  expect(smart.stdout).toBe("root: smartctl --json --all /dev/sda\n");
});

test("what is not on the list is refused by sudo, what is on it with other arguments by labctl", async () => {
  for (const words of [["id"], ["/usr/bin/systemctl", "poweroff"], ["/usr/bin/labctl", "agent", "sudoers"]]) {
    const refused = await exec("sudo", "-n", ...words);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("a password is required");
  }
  const operation = ["sudo", "-n", "/usr/bin/labctl", "agent", "host-operation"];
  const other = await exec(...operation, "read-smart", "--device", "/dev/../etc/shadow");
  expect(other).toMatchObject({ code: 2, stdout: "" });
  // Neither a second device nor an option gets past the schema, whatever sudo's '*' lets through.
  expect((await exec(...operation, "read-smart", "--device", "/dev/sda -t long")).code).toBe(2);
  expect((await exec(...operation, "mount-by-uuid", "--uuid", "../../../etc")).code).toBe(2);
  expect((await exec(...operation, "shell")).code).not.toBe(0);
});

test("the executable cannot be turned into another program on its way through sudo", async () => {
  const ran = await exec(
    "env",
    "BUN_BE_BUN=1",
    "sudo",
    "-n",
    "/usr/bin/labctl",
    "agent",
    "host-operation",
    "reboot",
  );
  expect(ran.stdout).toBe("root: systemctl reboot\n");
  const kept = await exec(
    "sudo",
    "-n",
    "BUN_BE_BUN=1",
    "/usr/bin/labctl",
    "agent",
    "host-operation",
    "reboot",
  );
  expect(kept.stderr).toContain("not allowed to set the following environment variables");
});
