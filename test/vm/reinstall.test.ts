import { expect } from "bun:test";
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { labKey } from "../lab/artifacts.ts";
import { type LabBastion, ramDirectory, startBastion } from "../lab/bastion.ts";
import type { Lab } from "../lab/lab.ts";
import { labTest } from "../lab/lab-test.ts";
import { run } from "../lab/process.ts";
import { waitForState } from "../lab/watch.ts";
import { addToRam } from "./ram-addition.ts";

// One machine, installed again and again from a disk image; between two installs it boots into RAM, tells what
// is on its data volume and writes to it.

const second = 1000;
const minute = 60 * second;
const mebibyte = 2 ** 20;
const logs = z.looseObject({
  stages: z.array(z.looseObject({ name: z.string(), state: z.string(), message: z.string().optional() })),
  log_lines: z.array(z.looseObject({ seq: z.number(), text: z.string() })),
});

/** In place of the task "discover", which then goes on as ever. */
const useVolumes = `#!/bin/sh
. /usr/lib/labctl/lib.sh
vgchange -ay >/dev/null 2>&1
mkdir -p /mnt/look
for volume in $(lvs --noheadings -o vg_name,lv_name --separator /); do
  say "volume: $volume"
  mount "/dev/$volume" /mnt/look || continue
  for file in /mnt/look/*; do
    [ ! -f "$file" ] || say "file: $volume/\${file##*/}"
  done
  cat /proc/sys/kernel/random/boot_id >/mnt/look/used
  umount /mnt/look
done
vgchange -an >/dev/null 2>&1
say 'looked'
exec /usr/lib/labctl/discover-task.sh
`;

labTest(
  "a reinstall keeps the data volume, over a cable that is pulled out",
  { minutes: 30, only: "ci" },
  async (lab) => {
    const bastion = await startBastion(lab, { alone: true });
    await addImages(lab, bastion);
    const initrd = join(lab.directory, "ram.img");
    addToRam(initrd, {
      "usr/lib/labctl/discover.sh": useVolumes,
      "usr/lib/labctl/discover-task.sh": readFileSync(
        join(import.meta.dir, "../../kickstart/ram/discover.sh"),
        "utf8",
      ),
    });
    const mac = "52:54:00:1a:b0:01";
    const machine = await lab.addMachine({
      name: "again",
      firmware: "bios",
      disks: [8],
      cable: { loss: 0, delayMs: 0, seed: 1 },
      kernel: {
        path: join(ramDirectory, "x86_64/vmlinuz"),
        initrd,
        append: `console=tty0 console=ttyS0 labctl.url=${bastion.url} labctl.mac=${mac}`,
      },
    });
    expect(machine.mac).toBe(mac);
    await machine.powerOn();
    await waitForState(bastion, machine, "discovered", { timeoutMs: 3 * minute, say: lab.say });

    const told = async () =>
      logs.parse(JSON.parse(await bastion.cli(["provision", "logs", mac, "-o", "json"])));
    const queue = async (name: string, role: string, ...more: string[]) => {
      machine.console.mark();
      const image = more.includes("--os") ? [] : ["--os", "image:small"];
      const order = ["provision", "install", mac, name, "--role", role, "--replace", ...image, ...more];
      await bastion.cli([...order, "--ssh-key", labKey]);
    };
    /** What the next boot finds on the disk; waits until it is there for the next order. */
    const found = async () => {
      const [text] = await machine.expectText(/task: discover[\s\S]*\] looked/, 4 * minute);
      return [...text.matchAll(/\] ((?:volume|file): \S+)/g)].map(([, line]) => line);
    };
    const installed = () =>
      waitForState(bastion, machine, "installed", { timeoutMs: 5 * minute, say: lab.say });

    await queue("first", "worker");
    const end = Date.now() + 2 * minute;
    while (
      !(await told()).stages.some(({ name, message }) => name === "image-write" && message?.includes("%"))
    ) {
      if (Date.now() > end) throw new Error("the image is not being written");
      await Bun.sleep(100);
    }
    lab.say("again: the cable is pulled out");
    machine.cable?.unplug();
    await Bun.sleep(30 * second);
    machine.cable?.plugIn();
    await installed();
    const { stages, log_lines } = await told();
    expect(stages.every(({ state }) => state === "done")).toBe(true);
    // What was said without a cable came later, all of it and in order.
    const numbers = log_lines.map(({ seq }) => seq);
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => index + 1));
    expect(await found()).toEqual(["volume: labctl/longhorn"]);

    await queue("second", "worker");
    await installed();
    expect((await told()).log_lines.map(({ text }) => text)).toContain(
      "the volume longhorn is kept as it is",
    );
    expect(await found()).toEqual(["volume: labctl/longhorn", "file: labctl/longhorn/used"]);

    await queue("third", "infra", "--os", "image:large");
    await waitForState(bastion, machine, "failed", { timeoutMs: 3 * minute, say: lab.say });
    const failed = (await told()).stages.at(-1);
    expect(failed?.name).toBe("disk-wipe");
    expect(failed?.message).toMatch(
      /^the volumes longhorn of an earlier install are in the way: before them are \d+ MiB, and the image takes 5120\. Queue it with --wipe/,
    );
    await machine.expectText("This is a shell in memory", minute);
    machine.console.mark();
    await machine.reset();
    expect(await found()).toEqual(["volume: labctl/longhorn", "file: labctl/longhorn/used"]);

    await queue("fourth", "infra", "--wipe");
    await installed();
    expect(await found()).toEqual(["volume: labctl/rancher"]);

    await queue("fifth", "infra");
    await installed();
    expect(await found()).toEqual(["volume: labctl/rancher", "file: labctl/rancher/used"]);
  },
);

/** `small`: the least that an install takes for a system, with enough in it to pull a cable meanwhile. `large`: 5 GiB. */
async function addImages(lab: Lab, bastion: LabBastion): Promise<void> {
  const tree = join(lab.directory, "tree");
  for (const name of [
    "boot",
    "etc/NetworkManager",
    "root",
    "sbin",
    "dev",
    "proc",
    "sys",
    "usr/bin",
    "usr/lib/busybox",
  ]) {
    mkdirSync(join(tree, name), { recursive: true });
  }
  const unpack = `zstd -dc '${join(ramDirectory, "x86_64/initrd.img")}' | cpio --quiet -id usr/bin/busybox`;
  await run(["sh", "-c", unpack], { cwd: tree });
  for (const link of ["usr/bin/chown", "sbin/init"])
    await run(["ln", "-s", "/usr/bin/busybox", join(tree, link)]);
  writeFileSync(join(tree, "boot/vmlinuz-1"), "kernel");
  writeFileSync(join(tree, "etc/fstab"), "# root\n");
  writeFileSync(join(tree, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  writeFileSync(join(tree, "etc/group"), "root:x:0:\n");
  await run(["dd", "if=/dev/urandom", `of=${tree}/boot/filling`, "bs=1M", "count=64", "status=none"]);
  const root = join(lab.directory, "root.ext4");
  await run(["mke2fs", "-q", "-t", "ext4", "-d", tree, root, "128M"]);
  for (const [name, size] of [
    ["small", 130 * mebibyte],
    ["large", 5120 * mebibyte],
  ] as const) {
    const raw = join(lab.directory, `${name}.raw`);
    writeFileSync(raw, "");
    truncateSync(raw, size);
    await run(["sh", "-c", `printf 'label: gpt\nstart=1MiB, type=linux\n' | sfdisk -q ${raw}`]);
    await run(["sh", "-c", `printf 'boot code' | dd of=${raw} conv=notrunc status=none`]);
    await run(["dd", `if=${root}`, `of=${raw}`, "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none"]);
    await run(["zstd", "-q", "-1", raw]);
    await bastion.cli(["image", "add", name, `${raw}.zst`]);
  }
}
