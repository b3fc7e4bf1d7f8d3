import { expect } from "bun:test";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { labKey } from "../lab/artifacts.ts";
import { type LabBastion, startBastion } from "../lab/bastion.ts";
import { openTextLog } from "../lab/console.ts";
import { type Lab, top } from "../lab/lab.ts";
import { labTest } from "../lab/lab-test.ts";
import type { Machine } from "../lab/machine.ts";
import type { LabHost } from "../lab/network.ts";
import { type LabProcess, run } from "../lab/process.ts";
import { waitForState } from "../lab/watch.ts";

const minute = 60_000;

labTest("a UEFI machine boots by HTTP Boot and is discovered", { minutes: 8, only: "ci" }, async (lab) => {
  const bastion = await startBastion(lab);
  const machine = await lab.addMachine({ name: "http", firmware: "uefi-http" });
  await machine.powerOn();
  await waitForState(bastion, machine, "discovered", { timeoutMs: 5 * minute, say: lab.say });
});

labTest("a machine is discovered beside another DHCP server", { minutes: 8, only: "ci" }, async (lab) => {
  startOtherDhcp(lab, await lab.network.addHost("dhcp", 254));
  const bastion = await startBastion(lab, { dhcp: "proxy" });
  const machine = await lab.addMachine({ name: "proxy", firmware: "uefi" });
  await machine.powerOn();
  await waitForState(bastion, machine, "discovered", { timeoutMs: 5 * minute, say: lab.say });
});

labTest("Secure Boot: shim, signed GRUB, signed kernel", { minutes: 8, only: "ci" }, async (lab) => {
  const bastion = await startBastion(lab, { boot: { uefi: "grub" } });
  const machine = await lab.addMachine({ name: "secure", firmware: "uefi-secure" });
  await machine.powerOn();
  await waitForState(bastion, machine, "discovered", { timeoutMs: 5 * minute, say: lab.say });
  await machine.expectText(/[Ss]ecure boot enabled/, 10_000);
});

labTest("2 % loss and 5 ms delay only make it slower", { minutes: 12, only: "ci" }, async (lab) => {
  const bastion = await startBastion(lab);
  const cable = { loss: 0.02, delayMs: 5, seed: 20 };
  const machine = await lab.addMachine({ name: "lossy", firmware: "uefi", cable });
  await machine.powerOn();
  await waitForState(bastion, machine, "discovered", { timeoutMs: 10 * minute, say: lab.say });
});

for (const firmware of ["bios", "uefi"] as const) {
  labTest(
    `a ${firmware} machine that cannot boot from the network boots the ISO`,
    { minutes: 8, only: "ci" },
    async (lab) => {
      const bastion = await startBastion(lab);
      const iso = join(lab.directory, "labctl.iso");
      await bastion.cli(["image", "boot-iso", iso, "--url", bastion.url]);
      const machine = await lab.addMachine({ name: "iso", firmware, iso, bootOrder: ["iso"] });
      await machine.powerOn();
      await waitForState(bastion, machine, "discovered", { timeoutMs: 5 * minute, say: lab.say });
    },
  );
}

labTest("undionly.kpxe by another DHCP server with our snippet", { minutes: 8, only: "ci" }, async (lab) => {
  const bastion = await startBastion(lab, { dhcp: "off" });
  // QEMU's own card is iPXE already, and by the snippet would be sent on at once.
  const host = await lab.network.addHost("dhcp", 254);
  const first = startOtherDhcp(lab, host, [`dhcp-boot=undionly.kpxe,,${lab.network.serverAddress}`]);
  const machine = await lab.addMachine({ name: "undi", firmware: "bios" });
  await machine.powerOn();
  await openTextLog(first.log, lab.say).waitFor(/DHCPACK/, { timeoutMs: minute });
  await first.stop();
  const snippet = await bastion.cli([
    ...["bastion", "dhcp-snippet", "dnsmasq", "--server", lab.network.serverAddress],
  ]);
  startOtherDhcp(lab, host, snippet.split("\n"));
  await waitForState(bastion, machine, "discovered", { timeoutMs: 5 * minute, say: lab.say });
  expect(readFileSync(bastion.log, "utf8")).toMatch(/tftp transfer completed.*"undionly\.kpxe"/);
  expect(machine.console.text()).toMatch(/using undionly on/);
});

labTest(
  "an installed machine boots its disk, by iPXE and by GRUB",
  { minutes: 10, only: "ci" },
  async (lab) => {
    const install = { mirrors: { fedora: "http://mirror.example/fedora/linux" } };
    const bastion = await startBastion(lab, { install });
    // Where only the network is to be tried, the firmware cannot start the disk by itself. GRUB needs the disk among
    // what is tried: it knows the disks the firmware has set up, and asks for no more.
    const ways = [
      { uefi: "snponly", local: "sanboot", firmware: "uefi", order: ["network"], by: /snponly\.efi/ },
      { uefi: "ipxe", local: "chainload", firmware: "uefi", order: ["network"], by: /ipxe\.efi/ },
      {
        uefi: "grub",
        local: "auto",
        firmware: "uefi-secure",
        order: ["network", "disk"],
        by: /shimx64\.efi/,
      },
    ] as const;
    for (const { uefi, local, firmware, order, by } of ways) {
      const machine = await lab.addMachine({ name: uefi, firmware });
      await putLoader(lab, machine, uefi === "grub" ? "debian" : "BOOT");
      await claimInstalled(lab, bastion, machine);
      await bastion.cli(["provision", "options", machine.mac, "--uefi", uefi, "--local-boot", local]);
      await machine.powerOn([...order]);
      const [console] = await machine.expectText(
        /labctl: booting the local disk[\s\S]*started from the disk/,
        2 * minute,
      );
      if (uefi === "grub")
        expect(console).toMatch(/labctl: starting \(hd0,gpt1\)\/EFI\/debian\/shimx64\.efi/);
      expect(console).not.toMatch(/no boot loader|does not boot/);
      expect(await bastion.cli(["provision", "show", machine.mac, "--boot"])).toMatch(by);
      await machine.powerOff();
    }
  },
);

/** An EFI system partition on its disk, with shim and GRUB in a vendor's folder and a menu that says so. */
async function putLoader(lab: Lab, machine: Machine, vendor: "BOOT" | "debian"): Promise<void> {
  const raw = join(lab.directory, `${machine.name}.raw`);
  const menu = join(lab.directory, "grub.cfg");
  writeFileSync(menu, "echo started from the disk\nsleep 600\n");
  writeFileSync(raw, "");
  truncateSync(raw, 96 * 2 ** 20);
  await run(["sh", "-c", `printf 'label: gpt\nstart=1MiB, type=uefi\n' | sfdisk -q ${raw}`]);
  const at = `${raw}@@1M`;
  await run(["mformat", "-i", at, "-T", String(94 * 2048), "-h", "64", "-s", "32", "::"]);
  const folder = `::/EFI/${vendor}`;
  for (const made of ["::/EFI", folder, "::/grub"]) await run(["mmd", "-i", at, made]);
  const shim = vendor === "BOOT" ? "BOOTX64.EFI" : "shimx64.efi";
  const files = [
    [join(top, "ipxe/shimx64.efi"), `${folder}/${shim}`],
    [join(top, "ipxe/grubx64.efi"), `${folder}/grubx64.efi`],
    [menu, `${folder}/grub.cfg`],
    [menu, "::/grub/grub.cfg"],
  ] as const;
  for (const [from, to] of files) await run(["mcopy", "-i", at, from, to]);
  const [disk = ""] = machine.disks;
  await run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, disk]);
}

/** Plays a whole install over HTTP: asks what to boot, fetches the install data, reports that all is done. */
async function claimInstalled(lab: Lab, bastion: LabBastion, machine: Machine): Promise<void> {
  const order = ["provision", "install", machine.mac, machine.name, "--os", "fedora-42"];
  await bastion.cli([...order, "--ssh-key", labKey]);
  const { server } = lab.network;
  const curl = (...args: string[]) => run(["curl", "-sS", "--fail", ...args], { namespace: server });
  const script = await curl(`${bastion.url}/dispatch?mac=${machine.mac}&platform=efi&arch=x86_64`);
  const [, kickstart = "", token = ""] = /inst\.ks=(\S+\/install\/([^/]+)\/install\.ks)/.exec(script) ?? [];
  await curl("-o", "/dev/null", kickstart);
  const report = JSON.stringify({ seq: 1, stage: "installed", state: "done" });
  const headers = ["-H", `Authorization: Bearer ${token}`, "-H", "Content-Type: application/json"];
  await curl(...headers, "-d", report, `${bastion.url}/api/progress`);
}

/** Somebody else's DHCP server on the same wire: addresses, and of booting what `lines` of configuration say. */
function startOtherDhcp(lab: Lab, host: LabHost, lines: readonly string[] = []): LabProcess {
  const configuration = join(lab.directory, "dnsmasq.conf");
  writeFileSync(configuration, lines.join("\n"));
  const range = `${lab.network.address(100)},${lab.network.address(199)},255.255.255.0,1h`;
  const server = lab.start(
    [
      ...[
        "dnsmasq",
        "--keep-in-foreground",
        `--conf-file=${configuration}`,
        "--user=root",
        "--port=0",
        "--log-dhcp",
      ],
      ...["--log-facility=-", `--interface=${host.interface}`, "--bind-interfaces", `--dhcp-range=${range}`],
      ...["--leasefile-ro", "--dhcp-authoritative"],
    ],
    { namespace: host.namespace, log: join(lab.directory, "dnsmasq.log") },
  );
  lab.scope.defer(() => server.stop());
  return server;
}
