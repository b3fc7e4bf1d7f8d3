import { expect } from "bun:test";
import { join } from "node:path";
import { buildArm64, buildRam } from "../lab/artifacts.ts";
import { executable, ramDirectory, startBastion } from "../lab/bastion.ts";
import { labTest } from "../lab/lab-test.ts";
import { run } from "../lab/process.ts";
import { waitForState } from "../lab/watch.ts";

const minute = 60_000;
const alone = { minutes: 15, only: "ci" } as const;

labTest("an arm64 machine boots programs and the RAM environment of its own kind", alone, async (lab) => {
  await buildRam("arm64");
  const bastion = await startBastion(lab);
  const machine = await lab.addMachine({ name: "arm", firmware: "uefi-arm64" });
  await machine.powerOn();
  await waitForState(bastion, machine, "discovered", { timeoutMs: 10 * minute, say: lab.say });
  const shown = await bastion.cli(["provision", "show", machine.mac, "--boot"]);
  expect(shown).toMatch(/TFTP ipxe-arm64\.efi, .* completed/);
  expect(shown).toContain("/ram/arm64/initrd.img: 200");
});

labTest("the arm64 executable serves every firmware, as the x64 one does", alone, async (lab) => {
  await buildRam("arm64");
  const binary = await buildArm64();
  // What it is linked with is among the packages of that architecture's RAM environment.
  const libraries = join(lab.directory, "arm64");
  await run([
    "sh",
    "-c",
    `dpkg -x "$(ls -t ${ramDirectory}/../cache/ram/arm64/archives/libc6_*.deb | head -1)" ${libraries}`,
  ]);
  await startBastion(lab, { program: ["qemu-aarch64-static", "-L", libraries, binary] });
  const client = await lab.network.addHost("client", 2);
  for (const firmware of ["uefi", "uefi-http", "arm64", "bios", "ipxe"]) {
    const flags = ["--interface", client.interface, "--firmware", firmware, "-o", "json"];
    const told = await run([executable, "doctor", "--play-firmware", ...flags], {
      namespace: client.namespace,
      timeoutMs: 2 * minute,
    });
    expect(JSON.parse(told).end).toMatchObject({
      kind: "boots",
      what: expect.stringContaining("labctl.task=discover"),
    });
  }
});
