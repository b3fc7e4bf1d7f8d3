import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Inventory, inventorySchema } from "../../src/machines/inventory.ts";
import { parseTemplates, renderTemplate } from "../../src/machines/template.ts";
import { embeddedTemplates } from "../../src/machines/templates.client.ts";
import { probeAccelerator } from "../lab/accelerator.ts";
import { ramDirectory } from "../lab/bastion.ts";
import { start } from "../lab/process.ts";
import { buildAnaconda } from "./anaconda/anaconda.ts";

// The RAM environment by itself, started by QEMU directly: no firmware, no DHCP server of ours, no bastion.
const mac = "52:54:00:0a:0b:0c";
const token = "one-time-token";
const mebibyte = 1024 * 1024;
const bootMs = 4 * 60_000;

/** What an earlier life left on the disks: made by the install task, found by the discovery after it. */
const layOutDisks = `#!/bin/sh
set -ex
sfdisk -q /dev/vda <<'END'
label: gpt
size=64MiB, type=uefi, name=esp
type=lvm
END
udevadm settle
mkfs.vfat -n ESP /dev/vda1
pvcreate -y /dev/vda2
vgcreate -y old-group /dev/vda2
lvcreate -y -L 100M -n data old-group
mkfs.ext4 -q -L data /dev/old-group/data
mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2 /dev/vdb /dev/vdc
mkfs.xfs -q -L array /dev/md0
vgchange -an old-group
mdadm --stop /dev/md0
sync
`;

/** Chassis 00:11:22:33:44:55, port "p7", 120 s. */
const lldpFrame = Buffer.from(
  "0180c200000e00112233445588cc020704001122334455040305703706020078".concat("00".repeat(30)),
  "hex",
);

interface Request {
  path: string;
  authorization: string | null;
  body: string;
}

let folder: string;
let server: ReturnType<typeof Bun.serve>;
let requests: Request[];
let installScript: string;
let orders: string[];
let refusals: number;
let disks: string[];
/** What the RAM environment found. */
let found: Inventory | undefined;

const answer = async (request: globalThis.Request): Promise<Response> => {
  const url = new URL(request.url);
  const body = await request.text();
  requests.push({ path: url.pathname, authorization: request.headers.get("authorization"), body });
  if (url.pathname === "/api/discover") {
    if (refusals-- > 0) return new Response("restarting", { status: 503 });
    return Response.json({ mac });
  }
  if (url.pathname === "/dispatch/orders") return Response.json({ order: orders.shift() ?? "poweroff" });
  if (url.pathname === `/install/${token}/install.sh`) return new Response(installScript);
  if (url.pathname === "/discover.ks")
    return new Response(
      renderTemplate(
        parseTemplates((path) => embeddedTemplates[path]),
        "fedora/discover.ks",
        {},
      ),
    );
  if (url.pathname === "/api/progress") return Response.json({ accepted: 1 });
  return new Response("not here", { status: 404 });
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ram-test-"));
  server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  disks = ["a", "b", "c"].map((name) => {
    const path = join(folder, `${name}.raw`);
    writeFileSync(path, "");
    // mkfs.xfs refuses anything under 300 MB
    truncateSync(path, 320 * mebibyte);
    return path;
  });
});

afterAll(async () => {
  await server?.stop(true);
  rmSync(folder, { recursive: true, force: true });
});

/** Boots it with a task; resolves with the serial console once the machine ended, or `until` was on it. */
async function boot(
  task: string,
  options: { nic: string; initrd?: string; until?: RegExp },
): Promise<string> {
  requests = [];
  const serial = join(folder, "serial");
  rmSync(serial, { force: true });
  const cable = plugIn();
  const machine = start(
    [
      ...[
        "qemu-system-x86_64",
        "-machine",
        "q35",
        "-accel",
        await probeAccelerator(),
        "-smp",
        "2",
        "-m",
        "640",
      ],
      ...["-nodefaults", "-display", "none", "-no-reboot", "-serial", `file:${serial}`],
      ...["-smbios", 'type=1,manufacturer=Lab "quoted" \\ Inc,product=Testbench,serial=SN-1'],
      ...[
        "-kernel",
        join(ramDirectory, "x86_64/vmlinuz"),
        "-initrd",
        options.initrd ?? join(ramDirectory, "x86_64/initrd.img"),
      ],
      "-append",
      `console=tty0 console=ttyS0 labctl.url=http://10.0.2.2:${server.port} labctl.mac=${mac} ${task}`,
      ...["-netdev", "user,id=lab", "-device", `${options.nic},netdev=lab,mac=${mac},romfile=`],
      ...["-netdev", `socket,id=rack,connect=127.0.0.1:${cable.port}`],
      ...["-device", "e1000,netdev=rack,mac=52:54:00:0a:0b:0d,romfile="],
      ...disks.flatMap((path, nth) => [
        ...["-drive", `if=none,id=d${nth},format=raw,file=${path}`],
        ...["-device", `virtio-blk-pci,drive=d${nth},serial=DISK-${nth}`],
      ]),
    ],
    { log: join(folder, "qemu.log") },
  );
  const console = () => {
    try {
      return readFileSync(serial, "latin1");
    } catch {
      return "";
    }
  };
  try {
    const end = Date.now() + bootMs;
    while (machine.running() && !options.until?.test(console())) {
      if (Date.now() > end)
        throw new Error(`still running after ${bootMs / 1000} s:\n${console().slice(-2000)}`);
      cable.send(lldpFrame);
      await Bun.sleep(200);
    }
  } finally {
    cable.close();
    await machine.stop(1000);
  }
  return console();
}

/** The other end of a card's cable. QEMU puts the length of each frame before it, four bytes. */
function plugIn() {
  const plugs = new Set<Bun.Socket>();
  const socket = {
    open: (plug: Bun.Socket) => void plugs.add(plug),
    close: (plug: Bun.Socket) => void plugs.delete(plug),
    data() {},
  };
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket });
  return {
    port: listener.port,
    send(frame: Buffer) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(frame.length);
      for (const plug of plugs) plug.write(Buffer.concat([length, frame]));
    },
    close: () => listener.stop(true),
  };
}

const digest = (path: string) => new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
const reports = () => requests.filter(({ path }) => path === "/api/discover");

function lastReport(): Inventory {
  return inventorySchema.parse(JSON.parse(reports().at(-1)?.body ?? "{}"));
}

/** Without what differs from boot to boot: bytes the kernel keeps for itself, and who spoke on the wire meanwhile. */
const comparable = (inventory: Inventory | undefined) => ({
  ...inventory,
  source: "",
  memory: { ...inventory?.memory, totalBytes: 0 },
  nics: inventory?.nics.map((nic) => ({ ...nic, lldp: undefined })),
});

// One after the other: each finds on the disks what the one before left there.
const able =
  process.env.LABCTL_CI === "1" &&
  Bun.which("qemu-system-x86_64") !== null &&
  existsSync(join(ramDirectory, "x86_64/initrd.img"));
describe.skipIf(!able)("the RAM environment (part of .ci/run; needs qemu, dist/ram)", () => {
  test(
    "install: fetches the script with its token, runs it with the usual tools, and restarts",
    async () => {
      installScript = layOutDisks;
      const console = await boot(`labctl.task=install labctl.token=${token}`, { nic: "e1000" });
      expect(console).toContain("installed");
      expect(requests.map(({ path }) => path)).toContain(`/install/${token}/install.sh`);
      expect(requests.filter(({ path }) => path === "/api/progress")).toEqual([]);
    },
    bootMs + 30_000,
  );

  test(
    "discover: reports what the machine is and what is on its disks, changes not a byte, and obeys",
    async () => {
      const before = disks.map(digest);
      refusals = 2;
      orders = ["wait", "poweroff"];
      const console = await boot("labctl.task=discover", { nic: "virtio-net-pci" });
      expect(disks.map(digest)).toEqual(before);
      expect(console).toContain("waiting for orders");
      expect(orders).toEqual([]);
      // refused twice while the bastion restarts, then taken
      expect(reports()).toHaveLength(3);

      const inventory = lastReport();
      found = inventory;
      expect(String(inventory.mac)).toBe(mac);
      expect(inventory.system).toMatchObject({
        vendor: 'Lab "quoted" \\ Inc',
        product: "Testbench",
        serial: "SN-1",
      });
      expect(inventory.firmware).toMatchObject({ mode: "bios", secureBoot: "unsupported" });
      expect(inventory.cpu).toMatchObject({ threads: 2 });
      expect(inventory.memory.dimms).toEqual([expect.objectContaining({ sizeBytes: 640 * mebibyte })]);
      expect(inventory.disks.map((disk) => [disk.serial, disk.sizeBytes, disk.transport, disk.byId])).toEqual(
        [0, 1, 2].map((nth) => [`DISK-${nth}`, 320 * mebibyte, "virtio", [`virtio-DISK-${nth}`]]),
      );
      expect(inventory.disks[0]?.partitionTable).toBe("gpt");
      expect(inventory.filesystems).toContainEqual(
        expect.objectContaining({ device: "vda1", type: "vfat", label: "ESP", partitionLabel: "esp" }),
      );
      expect(inventory.filesystems).toContainEqual(
        expect.objectContaining({ device: "vda2", type: "LVM2_member" }),
      );
      expect(inventory.lvm.groups).toEqual([expect.objectContaining({ name: "old-group" })]);
      expect(inventory.lvm.volumes).toEqual([
        { name: "data", group: "old-group", sizeBytes: 100 * mebibyte },
      ]);
      // mdadm names the members in the order it found them
      const raids = inventory.raids.map((raid) => ({ ...raid, members: [...raid.members].sort() }));
      expect(raids).toEqual([expect.objectContaining({ level: "raid1", members: ["vdb", "vdc"] })]);
      expect(inventory.nics).toEqual([
        expect.objectContaining({ mac, driver: "virtio_net", link: true, vendor: "Red Hat, Inc." }),
        expect.objectContaining({
          driver: "e1000",
          lldp: { chassisId: "00:11:22:33:44:55", portId: "p7", ttlSeconds: 120 },
        }),
      ]);
      expect(inventory.pci.some(({ className }) => className === "Ethernet controller")).toBe(true);
      expect(inventory.virtualization).toBe((await probeAccelerator()) === "kvm" ? "kvm" : "qemu");
      expect(inventory.notes).toEqual([]);
    },
    bootMs + 30_000,
  );

  test(
    "Fedora's installer makes the same report by discover.ks, and changes not a byte either",
    async () => {
      const before = disks.map(digest);
      const initrd = join(folder, "anaconda.img");
      buildAnaconda(initrd);
      const kickstart = `inst.ks=http://10.0.2.2:${server.port}/discover.ks`;
      await boot(`${kickstart} labctl.after=poweroff`, { nic: "virtio-net-pci", initrd });
      expect(disks.map(digest)).toEqual(before);
      expect(reports()).toHaveLength(1);
      const inventory = lastReport();
      expect(inventory.source).toBe("fedora");
      expect(comparable(inventory)).toEqual(comparable(found));
    },
    bootMs + 30_000,
  );

  test(
    "install: a script that dies is reported, and its reason stands on the console over a shell",
    async () => {
      installScript = "#!/bin/sh\necho 'disk 7 is on fire' >&2\nexit 3\n";
      const console = await boot(`labctl.task=install labctl.token=${token}`, {
        nic: "e1000e",
        until: /This is a shell in memory[\s\S]*# $/,
      });
      expect(console).toContain("*** the install failed: its script ended with status 3");
      expect(console).toContain("disk 7 is on fire");
      const [report] = requests.filter(({ path }) => path === "/api/progress");
      expect(report?.authorization).toBe(`Bearer ${token}`);
      expect(JSON.parse(report?.body ?? "{}")).toMatchObject({ state: "failed" });
      expect(report?.body).toContain("disk 7 is on fire");
    },
    bootMs + 30_000,
  );

  test(
    "wipe: refuses without a token; with one it leaves nothing on any disk",
    async () => {
      const refused = await boot("labctl.task=wipe", { nic: "rtl8139", until: /refusing to wipe/ });
      expect(refused).not.toContain("wiping");
      orders = [];
      await boot(`labctl.task=wipe labctl.token=${token} labctl.after=poweroff`, { nic: "vmxnet3" });
      await boot("labctl.task=discover labctl.after=poweroff", { nic: "e1000" });
      const inventory = lastReport();
      expect(inventory.disks.map(({ partitionTable }) => partitionTable)).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      expect(inventory.filesystems).toEqual([]);
      expect(inventory.lvm.groups).toEqual([]);
      expect(inventory.raids).toEqual([]);
    },
    3 * bootMs + 30_000,
  );
});
