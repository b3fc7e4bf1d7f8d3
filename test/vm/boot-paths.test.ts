import { join } from "node:path";
import { startBastion } from "../lab/bastion.ts";
import type { Lab } from "../lab/lab.ts";
import { labTest } from "../lab/lab-test.ts";
import { waitForState } from "../lab/watch.ts";

const minute = 60_000;

labTest("a UEFI machine boots by HTTP Boot and is discovered", { minutes: 8, only: "ci" }, async (lab) => {
  const bastion = await startBastion(lab);
  const machine = await lab.addMachine({ name: "http", firmware: "uefi-http" });
  await machine.powerOn();
  await waitForState(bastion, machine, "discovered", { timeoutMs: 5 * minute, say: lab.say });
});

labTest("a machine is discovered beside another DHCP server", { minutes: 8, only: "ci" }, async (lab) => {
  await startOtherDhcp(lab);
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

/** Somebody else's DHCP server on the same wire: addresses, nothing about booting. */
async function startOtherDhcp(lab: Lab): Promise<void> {
  const host = await lab.network.addHost("dhcp", 254);
  const range = `${lab.network.address(100)},${lab.network.address(199)},255.255.255.0,1h`;
  const server = lab.start(
    [
      ...[
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
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
}
