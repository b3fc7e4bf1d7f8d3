import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { $ } from "bun";

// nfpm is no Debian package: where it is not installed these are skipped; .ci/run installs it.
const nfpm = process.env.NFPM ?? Bun.which("nfpm");
const able = nfpm !== null && process.getuid?.() === 0 && process.env.LABCTL_CI === "1";
if (!able) console.log("skipped: the packages (they need nfpm, root and LABCTL_CI=1, as in .ci/run)");

const top = join(import.meta.dir, "../..");
const work = mkdtempSync(join(tmpdir(), "labctl-package-"));
const root = join(work, "root");
const namespace = `labctl-pkg-${process.pid}`;
const file = (ending: string) => {
  const found = readdirSync(join(top, "dist/packages")).find(
    (name) => /^labctl[-_]\d/.test(name) && name.endsWith(ending),
  );
  if (found === undefined) throw new Error(`no package ends with ${ending}`);
  return join(top, "dist/packages", found);
};
/** A command inside the root, in a network of its own. */
const inside = (...words: string[]) =>
  $`ip netns exec ${namespace} chroot ${root} ${words}`
    .nothrow()
    .quiet()
    .env({ PATH: "/usr/sbin:/usr/bin:/sbin:/bin" });

describe.skipIf(!able)("the packages", () => {
  beforeAll(async () => {
    await $`${process.execPath} build.ts --package --arch=amd64`
      .cwd(top)
      .env({ ...process.env, NFPM: String(nfpm) })
      .quiet();
    // The host's own package sources, from wherever its administrator put them.
    const sources =
      (await $`cat /etc/apt/sources.list.d/debian.sources`.nothrow().quiet().text()) ||
      (await $`cat /etc/apt/sources.list`.quiet().text());
    await $`mmdebstrap --variant=minbase --quiet ${process.env.VERSION_CODENAME ?? "bookworm"} ${root} - < ${Buffer.from(sources)}`.quiet();
    await $`mount -t proc proc ${join(root, "proc")}`;
    await $`ip netns add ${namespace}`;
    await $`ip -n ${namespace} link set lo up`;
  }, 600_000);
  afterAll(async () => {
    await inside("labctl", "init", "bastion", "standalone", "stop");
    await $`umount ${join(root, "proc")}`.nothrow().quiet();
    await $`ip netns del ${namespace}`.nothrow().quiet();
    rmSync(work, { recursive: true, force: true });
  });

  test("the deb installs into a bare Debian, and its files are what it says", async () => {
    await $`cp ${file("amd64.deb")} ${join(root, "tmp/labctl.deb")}`;
    const installed = await inside("dpkg", "-i", "/tmp/labctl.deb");
    expect(installed.stderr.toString() + installed.stdout).not.toContain("error");
    expect(installed.exitCode).toBe(0);
    expect((await inside("dpkg", "--verify", "labctl")).stdout.toString()).toBe("");
    expect((await inside("labctl", "--version")).stdout.toString()).toStartWith("labctl ");
    expect((await inside("getent", "passwd", "labctl")).stdout.toString()).toContain("/var/lib/labctl");
  });

  test("the appliance starts, answers and stops there", async () => {
    const started = await inside("labctl", "init", "bastion", "standalone", "start");
    expect(started.stderr.toString()).toBe("");
    const status = await inside("labctl", "init", "bastion", "standalone", "status", "-o", "json");
    expect(JSON.parse(status.stdout.toString())).toMatchObject({ state: "running" });
    expect((await inside("labctl", "init", "bastion", "standalone", "stop")).stdout.toString()).toBe(
      "stopped\n",
    );
    expect((await inside("labctl", "init", "bastion", "standalone", "status")).exitCode).toBe(3);
  }, 60_000);

  test("removal stops it and keeps configuration and data; purge takes them along", async () => {
    await inside("labctl", "init", "bastion", "standalone", "start");
    expect((await inside("dpkg", "--remove", "labctl")).exitCode).toBe(0);
    expect((await inside("pgrep", "-f", "bastion run")).stdout.toString()).toBe("");
    expect(existsSync(join(root, "usr/bin/labctl"))).toBe(false);
    expect(existsSync(join(root, "etc/labctl/config.yaml"))).toBe(true);
    expect(existsSync(join(root, "var/lib/labctl/labctl.sqlite"))).toBe(true);
    expect((await inside("dpkg", "--purge", "labctl")).exitCode).toBe(0);
    expect(existsSync(join(root, "etc/labctl/config.yaml"))).toBe(false);
    expect(existsSync(join(root, "var/lib/labctl"))).toBe(false);
  }, 60_000);

  test("the rpm carries the same files with the same modes", async () => {
    const deb = (await $`dpkg-deb -c ${file("amd64.deb")}`.text())
      .split("\n")
      .filter((line) => line.startsWith("-"))
      .map((line) => line.split(/\s+/))
      .map(([mode, , size, , , path]) => `${mode} ${size} ${path?.slice(1)}`);
    const rpm = (await $`rpm -qp --dump ${file("x86_64.rpm")}`.text())
      .trim()
      .split("\n")
      .map((line) => line.split(" "))
      .filter(([, , , , mode]) => mode?.startsWith("0100"))
      .map(([path, size, , , mode]) => `${symbolic(Number.parseInt(String(mode), 8))} ${size} ${path}`);
    expect(rpm.sort()).toEqual(deb.sort());
  });

  test("neither package is larger than 55 MB", () => {
    for (const ending of ["amd64.deb", "x86_64.rpm"]) expect(statSync(file(ending)).size).toBeLessThan(55e6);
  });
});

function symbolic(mode: number): string {
  const bits = [...(mode & 0o777).toString(8).padStart(3, "0")].map(Number);
  return `-${bits.map((bit) => (bit & 4 ? "r" : "-") + (bit & 2 ? "w" : "-") + (bit & 1 ? "x" : "-")).join("")}`;
}
