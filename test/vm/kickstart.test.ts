import { expect } from "bun:test";
import { join } from "node:path";
import { z } from "zod";
import { labKey } from "../lab/artifacts.ts";
import { ramDirectory, startBastion } from "../lab/bastion.ts";
import { labTest } from "../lab/lab-test.ts";
import { buildAnaconda } from "./anaconda/anaconda.ts";

// Fedora's kickstart as the bastion serves it: its %pre on disks with a past, its %post on what that made.

const minute = 60_000;
const logs = z.looseObject({
  stages: z.array(z.looseObject({ name: z.string(), state: z.string(), message: z.string().optional() })),
  log_lines: z.array(z.looseObject({ seq: z.number(), text: z.string(), source: z.string().optional() })),
});

/**
 * What is on the disks before the install of that name. `keeps`: a mounted ext4, the volume group of an earlier
 * install, and half of an array that carries a volume group of its own, all of it in use.
 */
const before = {
  keeps: `
sfdisk -q /dev/vda <<'END'
label: gpt
size=3GiB, name=old-root
size=100GiB, type=lvm
size=2GiB, type=raid
END
printf 'label: gpt\\nsize=2GiB, type=raid\\ntype=lvm\\n' | sfdisk -q /dev/vdb
udevadm settle
mkfs.ext4 -q /dev/vda1
mkdir -p /mnt/old /mnt/array
mount /dev/vda1 /mnt/old
vgcreate -y labctl /dev/vda2
lvcreate -y -L 5G -n root labctl
lvcreate -y -L 10G -n longhorn labctl
mkfs.ext4 -q /dev/labctl/longhorn
mount /dev/labctl/longhorn /mnt/array
echo 'replica of a volume' >/mnt/array/precious
umount /mnt/array
mdadm --create /dev/md0 --run --assume-clean --level=1 --raid-devices=2 /dev/vda3 /dev/vdb1
vgcreate -y on-array /dev/md0
lvcreate -y -L 1G -n old on-array
mkfs.ext4 -q /dev/on-array/old
mount /dev/on-array/old /mnt/array
vgcreate -y elsewhere /dev/vdb2
lvcreate -y -L 1G -n theirs elsewhere
mkfs.ext4 -q /dev/elsewhere/theirs
mount /dev/elsewhere/theirs /mnt/old
echo 'not of this disk' >/mnt/old/other
umount /mnt/old
`,
  // The whole group given to data: nothing is left for a second data volume.
  refused: `
vgchange -ay labctl
lvreduce -f -y -L 4500m labctl/root
lvcreate -y -l 100%FREE -n archive labctl
vgchange -an labctl
`,
  // A program that works in a directory of the disk cannot be asked to go.
  busy: `
mkdir -p /mnt/busy
mount "$(blkid -t PARTLABEL=labctl-boot -o device)" /mnt/busy
cd /mnt/busy
sleep 3600 >/dev/null 2>&1 &
`,
};

labTest("kickstart: %pre and %post on disks with a past", { minutes: 30, only: "ci" }, async (lab) => {
  const bastion = await startBastion(lab, {
    alone: true,
    install: { mirrors: { fedora: "http://mirror.example/fedora/linux" } },
  });
  const initrd = join(lab.directory, "anaconda.img");
  buildAnaconda(initrd, before);
  const mac = "52:54:00:1a:b0:01";
  const machine = await lab.addMachine({
    name: "anaconda",
    firmware: "bios",
    disks: [250, 20, 1],
    kernel: {
      path: join(ramDirectory, "x86_64/vmlinuz"),
      initrd,
      append: `console=tty0 console=ttyS0 labctl.url=${bastion.url} labctl.mac=${mac}`,
    },
  });
  expect(machine.mac).toBe(mac);
  await machine.powerOn();

  /** Queues it for the installer that waits, and gives what came of it. */
  async function install(name: string, role: string, ...more: string[]) {
    machine.console.mark();
    const order = ["provision", "install", mac, name, "--os", "fedora-42", "--role", role, "--replace"];
    const disk = more.includes("--disk") ? [] : ["--disk", "/dev/vda"];
    await bastion.cli([...order, "--ssh-key", labKey, ...disk, ...more]);
    await machine.expectText(`anaconda: ${name} is over with`, 8 * minute);
    const told = logs.parse(JSON.parse(await bastion.cli(["provision", "logs", mac, "-o", "json"])));
    const end = told.stages.at(-1);
    const console = machine.console.text();
    const left = console.slice(
      console.lastIndexOf("anaconda: ", console.lastIndexOf(`anaconda: ${name} is over`) - 1),
    );
    return {
      stages: told.stages.map((stage) => stage.name),
      end: `${end?.name} ${end?.state}`,
      message: end?.message ?? "",
      lines: told.log_lines,
      /** `volume: GROUP/NAME` and `file: GROUP/NAME/FILE: TEXT` of all disks. */
      left: [...left.matchAll(/\] ((?:volume|file): .*)/g)].map(([, line]) => line?.trim() ?? ""),
    };
  }

  const keeps = await install("keeps", "worker");
  expect(keeps.message).toBe("fedora-42");
  expect(keeps.end).toBe("installed done");
  expect(keeps.stages).toEqual([
    ...["network", "hardware", "disk-select", "disk-wipe", "partition", "packages", "configure", "users"],
    ...[
      "kubernetes-prerequisites",
      "efi-boot-order",
      "bootloader",
      "labels",
      "verify",
      "reboot",
      "installed",
    ],
  ]);
  for (const source of ["bastion", "pre", "chroot"]) {
    expect(keeps.lines.map((line) => line.source)).toContain(source);
  }
  const numbers = keeps.lines.map(({ seq }) => seq);
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => (numbers[0] ?? 0) + index));
  expect(keeps.lines.map(({ text }) => text)).toContain(
    "logvol /var/lib/longhorn --vgname=labctl --name=longhorn --useexisting --noformat --fsoptions=defaults,noatime",
  );
  expect(keeps.left).toContain("file: labctl/longhorn/precious: replica of a volume");
  expect(keeps.left).toContain("file: labctl/longhorn/from-keeps: written by keeps");
  expect(keeps.left).toContain("file: elsewhere/theirs/other: not of this disk");
  expect(keeps.left).not.toContain("volume: on-array/old");

  const refused = await install("refused", "infra");
  expect(refused.end).toBe("disk-wipe failed");
  expect(refused.message).toMatch(
    /^the volumes archive longhorn of an earlier install are in the way: they leave \d+ MiB, and the role infra needs 5120/,
  );
  // Nothing was touched: the old system is still whole.
  expect(refused.left).toContain("volume: labctl/root");
  expect(refused.left).toContain("file: labctl/longhorn/precious: replica of a volume");

  const anew = await install("anew", "infra", "--wipe");
  expect(anew.end).toBe("installed done");
  expect(anew.left).toContain("file: labctl/rancher/from-anew: written by anew");
  expect(anew.left).not.toContain("volume: labctl/longhorn");
  expect(anew.left).toContain("file: elsewhere/theirs/other: not of this disk");

  const again = await install("again", "infra");
  expect(again.end).toBe("installed done");
  expect(again.left).toContain("file: labctl/rancher/from-anew: written by anew");
  expect(again.left).toContain("file: labctl/rancher/from-again: written by again");

  const small = await install("small", "worker", "--disk", "/dev/vdc");
  expect(small.end).toBe("disk-select failed");
  expect(small.message).toMatch(/^no matching disk is writable and at least \d+ MB large/);

  // The tree that stands for the packages has no useradd.
  const post = await install("post", "infra", "--user", "ops");
  expect(post.end).toBe("users failed");
  expect(post.message).toMatch(
    /^post, line \d+: chroot \/mnt\/sysroot useradd .*\(exit code 127\)\n.*useradd/,
  );
  expect(post.left).toContain("file: labctl/rancher/from-anew: written by anew");

  const busy = await install("busy", "infra");
  expect(busy.end).toBe("disk-wipe failed");
  expect(busy.message).toMatch(/^pre, line \d+: umount \/mnt\/busy \(exit code \d+\)\n.*busy/s);
  expect(busy.left).toContain("file: labctl/rancher/from-anew: written by anew");
});
