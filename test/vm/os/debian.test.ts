import { test } from "bun:test";
import { startAptProxy } from "../../lab/apt-proxy.ts";
import { startBastion } from "../../lab/bastion.ts";
import { labTest } from "../../lab/lab-test.ts";
import { waitForState } from "../../lab/watch.ts";
import { findMissingUdeb } from "./udebs.ts";

const minute = 60_000;
const name = "Debian installs itself by preseed, and boots";
const missing = process.env.LABCTL_OS === "1" ? await findMissingUdeb("bookworm") : undefined;

if (missing !== undefined) {
  test.skip(`${name} (the package archive has no ${missing}, without which the installer stops)`, () => {});
} else {
  labTest(name, { minutes: 240, only: "os" }, async (lab) => {
    const proxy = await startAptProxy(lab);
    const bastion = await startBastion(lab, { install: { mirrors: { debian: proxy.mirror } } });
    await bastion.cli(["image", "pull", "debian-12"], 15 * minute);
    const machine = await lab.addMachine({ name: "preseed", firmware: "uefi", disks: [300] });
    await machine.powerOn();
    await waitForState(bastion, machine, "discovered", { timeoutMs: 5 * minute, say: lab.say });
    await bastion.cli([
      "provision",
      "install",
      machine.mac,
      "node-1",
      "--role",
      "worker",
      "--os",
      "debian-12",
    ]);
    await waitForState(bastion, machine, "installed", { timeoutMs: 220 * minute, say: lab.say });
    await machine.expectText("node-1 login:", 10 * minute);
  });
}
