import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InstallSpecInput } from "../../src/machines/install-spec.ts";
import { renderCase, shellParts, sshKey } from "./cases.ts";
import { type Heard, listen } from "./listener.ts";

// What installers run after the packages are there, run for real: this host's system as seen through an overlay
// stands for the installer, a second overlay for the installed system. /dev holds no block device, everything
// happens in a mount namespace that goes away, and nothing reaches the host's own files.

setDefaultTimeout(60_000);
const able =
  process.getuid?.() === 0 &&
  /\boverlay$/m.test(readFileSync("/proc/filesystems", "utf8")) &&
  Bun.spawnSync(["unshare", "--mount", "true"]).exitCode === 0;

const token = "0123456789abcdef0123456789abcdef";
let folder: string;
let heard: Heard;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "labctl-target-"));
  mkdirSync(join(folder, "work"));
  heard = listen(token);
});
afterEach(() => {
  heard.stop();
  rmSync(folder, { recursive: true });
});

/** Runs `scripts` one after the other in the installer; `before` prepares the target, `after` looks at it. */
async function install(target: string, scripts: string[], before: string, after: string) {
  for (const [index, text] of scripts.entries()) writeFileSync(join(folder, `script-${index}`), text);
  const stage = `set -e
mount -t tmpfs tmpfs '${folder}/work'
cd '${folder}/work'
mkdir up1 work1 up2 work2 installer
mount -t overlay -o lowerdir=/,upperdir=up1,workdir=work1 overlay installer
mkdir -p installer${target}
mount -t overlay -o lowerdir=/,upperdir=up2,workdir=work2 overlay installer${target}
for root in installer installer${target}; do
  mount -t tmpfs tmpfs $root/dev
  for node in null zero urandom; do : >$root/dev/$node; mount --bind /dev/$node $root/dev/$node; done
  mount -t tmpfs tmpfs $root/tmp
  mount -t proc proc $root/proc
done
target=$PWD/installer${target}
mkdir -p $target/boot/grub $target/boot/grub2
echo kernel >$target/boot/vmlinuz-1
echo menu >$target/boot/grub/grub.cfg
echo menu >$target/boot/grub2/grub.cfg
echo 'UUID=1 none swap sw 0 0' >$target/etc/fstab
${before}
cp '${folder}'/script-* installer/tmp/
status=0
for script in ${scripts.map((_, index) => `/tmp/script-${index}`).join(" ")}; do
  case $(sed -n 2p installer$script) in
    '# in the chroot') cp installer$script $target/tmp/; chroot $target bash $script || status=$? ;;
    *) chroot installer bash $script || status=$? ;;
  esac
  [ $status -eq 0 ] || break
done
touch installer/tmp/labctl-report/stop 2>/dev/null || :
${after}
exit $status`;
  // Not the synchronous call: this process is the bastion that listens meanwhile.
  const ran = Bun.spawn(["unshare", "--mount", "--fork", "bash", "-c", stage], {
    cwd: folder,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [said, wrong] = await Promise.all([new Response(ran.stdout).text(), new Response(ran.stderr).text()]);
  return { code: await ran.exited, said, wrong };
}

const spec: InstallSpecInput = {
  name: "n1",
  domain: "lab.example",
  role: "worker",
  os: "debian-12",
  sshKeys: [sshKey],
  users: [
    { name: "ops", sshKeys: [sshKey.replace("admin@lab", "it's $(touch /tmp/pwned) `id`")] },
    { name: "guest", admin: false, passwordHash: "$6$saltsaltsalt$0123456789abcdefghijklmnop" },
  ],
};
const look = `cd $target
cat etc/hostname etc/hosts root/.ssh/authorized_keys home/ops/.ssh/authorized_keys
chroot . stat -c '%a %U %n' root/.ssh/authorized_keys home/ops/.ssh/authorized_keys etc/sudoers.d/labctl-ops usr/lib/labctl/first-boot.conf
grep ^guest: etc/shadow; ls etc/sudoers.d; cat etc/fstab etc/modules-load.d/labctl-kubernetes.conf etc/sysctl.d/90-labctl-kubernetes.conf
readlink etc/systemd/system/swap.target etc/systemd/system/multi-user.target.wants/labctl-first-boot.service
[ ! -e tmp/pwned ] && echo unharmed`;

const states = () =>
  heard.stages.filter(({ state }) => state !== "running").map(({ stage, state }) => `${stage} ${state}`);

function expectMachine(said: string) {
  for (const line of [
    "n1",
    "127.0.1.1 n1.lab.example n1",
    sshKey,
    "600 root root/.ssh/authorized_keys",
    "600 ops home/ops/.ssh/authorized_keys",
    "440 root etc/sudoers.d/labctl-ops",
    "600 root usr/lib/labctl/first-boot.conf",
    "# no swap under kubernetes: UUID=1 none swap sw 0 0",
    "br_netfilter",
    "net.ipv4.ip_forward = 1",
    "/dev/null",
    "../labctl-first-boot.service",
    "unharmed",
  ]) {
    expect(said.split("\n")).toContain(line);
  }
  expect(said).toContain("it's $(touch /tmp/pwned) `id`");
  expect(said).toContain("guest:$6$saltsaltsalt$0123456789abcdefghijklmnop:");
  expect(said).not.toContain("labctl-guest");
}

describe.skipIf(!able)(
  "the installed system becomes the machine (skipped without root and overlayfs)",
  () => {
    test("by the last step of Debian's installer", async () => {
      const { files } = renderCase({ spec, firmware: "bios" }, { baseUrl: heard.url });
      const { code, said, wrong } = await install("/target", [files["late.sh"] ?? ""], "", look);
      expect({ code, wrong }).toEqual({ code: 0, wrong: "" });
      expectMachine(said);
      expect(states()).toEqual([
        "configure done",
        "users done",
        "kubernetes-prerequisites done",
        "bootloader done",
        "efi-boot-order done",
        "verify done",
        "reboot done",
        "installed done",
      ]);
      // Neither the hash nor the token is ever sent along.
      expect(heard.text().join("\n")).not.toMatch(/saltsaltsalt|0123456789abcdef0123456789abcdef/);
    });

    test("by Anaconda's %post sections, outside the chroot and in it", async () => {
      const network: InstallSpecInput["network"] = {
        kind: "static",
        address: "10.0.0.5/24",
        dns: ["10.0.0.1", "10.0.0.2"],
      };
      const { files } = renderCase(
        { spec: { ...spec, os: "fedora-42", network }, firmware: "bios" },
        { baseUrl: heard.url },
      );
      const posts = Object.entries(shellParts(files)).filter(([name]) => name.endsWith("-post.sh"));
      const scripts = posts.map(([, text]) =>
        text.includes("BASTION_DIR=/var/tmp") ? text.replace("\n", "\n# in the chroot\n") : text,
      );
      expect(scripts).toHaveLength(3);
      // Packages of Fedora that this host need not have.
      const before = `mkdir -p $target/etc/NetworkManager; printf '#!/bin/sh\\nexit 0\\n' >$target/usr/bin/restorecon; chmod 755 $target/usr/bin/restorecon`;
      const { code, said, wrong } = await install(
        "/mnt/sysroot",
        scripts,
        before,
        `${look}\ncat etc/NetworkManager/system-connections/*`,
      );
      expect({ code, wrong }).toEqual({ code: 0, wrong: "" });
      expectMachine(said);
      expect(said).toContain("mac-address=52:54:00:12:34:56");
      expect(said.split("\n").filter((line) => line.startsWith("dns="))).toEqual(["dns=10.0.0.1;10.0.0.2;"]);
      // What a section prints comes from the chroot, too: ls -l /boot.
      expect(heard.text("chroot").join("\n")).toContain("vmlinuz-1");
      expect(states()).toEqual([
        "configure done",
        "users done",
        "kubernetes-prerequisites done",
        "efi-boot-order done",
        "bootloader done",
        "labels done",
        "verify done",
        "reboot done",
        "installed done",
      ]);
    });

    test("a missing kernel is a failure with its reason, not an installed machine", async () => {
      const { files } = renderCase({ spec, firmware: "bios" }, { baseUrl: heard.url });
      const { code } = await install("/target", [files["late.sh"] ?? ""], "rm $target/boot/vmlinuz-*", "");
      expect(code).toBe(1);
      expect(heard.stages.at(-1)).toMatchObject({ stage: "verify", state: "failed" });
      expect(heard.stages.at(-1)?.message).toContain("has no kernel in /boot");
    });

    test("a command that fails names itself with its line", async () => {
      const { files } = renderCase({ spec, firmware: "bios" }, { baseUrl: heard.url });
      const { code } = await install(
        "/target",
        [files["late.sh"] ?? ""],
        "printf '#!/bin/sh\\necho no room for users >&2\\nexit 12\\n' >$target/usr/sbin/useradd",
        "",
      );
      expect(code).toBe(12);
      expect(heard.stages.at(-1)?.message).toMatch(
        /^late, line \d+: chroot \/target useradd .*\(exit code 12\)\nno room for users/,
      );
    });
  },
);
