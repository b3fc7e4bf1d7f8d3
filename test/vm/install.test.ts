import { expect } from "bun:test";
import { z } from "zod";
import { buildDiskImage, labKey } from "../lab/artifacts.ts";
import { startBastion } from "../lab/bastion.ts";
import type { Lab } from "../lab/lab.ts";
import { labTest } from "../lab/lab-test.ts";
import { waitForServer, waitForState } from "../lab/watch.ts";

const minute = 60_000;
const logs = z.looseObject({
  stages: z.array(z.looseObject({ name: z.string(), state: z.string() })),
  log_lines: z.array(z.looseObject({ seq: z.number(), text: z.string() })),
  log_total: z.number(),
});

labTest("a blank machine installs a disk image and boots from its disk", { minutes: 45 }, (lab) =>
  installAndJoin(lab, "uefi", "plain", [8]),
);

labTest("a worker on BIOS gets its data volume", { minutes: 45, only: "ci" }, (lab) =>
  installAndJoin(lab, "bios", "worker", [12]),
);

async function installAndJoin(
  lab: Lab,
  firmware: "uefi" | "bios",
  role: string,
  disks: number[],
): Promise<void> {
  const image = await buildDiskImage();
  const bastion = await startBastion(lab);
  await bastion.cli(["image", "add", "debian-12", image], 5 * minute);
  const machine = await lab.addMachine({ name: "image", firmware, disks });
  await machine.powerOn();
  await waitForState(bastion, machine, "discovered", { timeoutMs: 6 * minute, say: lab.say });

  const order = ["provision", "install", machine.mac, "node-1", "--os", "image:debian-12", "--role", role];
  await bastion.cli([...order, "--ssh-key", labKey]);
  await waitForState(bastion, machine, "installed", { timeoutMs: 15 * minute, say: lab.say });

  const told = logs.parse(JSON.parse(await bastion.cli(["provision", "logs", machine.mac, "-o", "json"])));
  expect(told.stages.every((stage) => stage.state === "done")).toBe(true);
  expect(told.stages.length).toBeGreaterThanOrEqual(12);
  const names = told.stages.map((stage) => stage.name);
  for (const name of ["disk-select", "image-write", "image-verify", "bootloader"])
    expect(names).toContain(name);
  expect(told.log_total).toBeGreaterThan(10);
  expect(told.log_lines.some(({ text }) => /chosen: \/dev\/vda/.test(text))).toBe(true);
  const numbers = told.log_lines.map(({ seq }) => seq);
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));

  // It still asks the network first; the bastion hands it to its disk, not to another install.
  await machine.expectText("node-1 login:", 10 * minute);
  const [listed] = z
    .array(z.looseObject({ state: z.string(), name: z.string() }))
    .parse(JSON.parse(await bastion.cli(["provision", "list", "-o", "json"])));
  expect(listed).toMatchObject({ state: "installed", name: "node-1" });

  // Nobody laid a hand on it: the installed system joined by itself.
  await waitForServer(bastion, "node-1", { timeoutMs: 5 * minute, say: lab.say });
  expect(await bastion.cli(["exec", "server/node-1", "--", "uname", "-a"])).toStartWith("Linux node-1 ");
  const journal = ["logs", "server/node-1", "--unit", "labctl-agent", "--since=-1h", "-n", "50"];
  expect(await bastion.cli(journal)).toContain("agent is connected");
  if (firmware === "bios" || process.env.LABCTL_CI !== "1") return;

  // Nor for the next install: its agent tells the firmware, and restarts it.
  const done = await bastion.cli(["provision", "reprovision", "server/node-1"], 3 * minute);
  expect(done).toMatch(/^queue +done[^\n]*\nnext-boot +done +next start: Boot\w{4} [^\n]*\nreboot +done/);
  await waitForState(bastion, machine, "installing", { timeoutMs: 6 * minute, say: lab.say });
  const again = await bastion.tryCli(["provision", "reprovision", "server/node-1"]);
  expect(again).toMatchObject({ status: 5, stderr: expect.stringContaining("an install is running") });
}
