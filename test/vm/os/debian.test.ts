import { expect } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { startAptProxy } from "../../lab/apt-proxy.ts";
import { labKey } from "../../lab/artifacts.ts";
import { startBastion } from "../../lab/bastion.ts";
import { type Lab, top } from "../../lab/lab.ts";
import { labTest } from "../../lab/lab-test.ts";
import { waitForServer, waitForState } from "../../lab/watch.ts";
import { makeStandIns, standInSuite } from "./stand-ins.ts";

const minute = 60_000;
const logs = z.looseObject({
  stages: z.array(z.looseObject({ name: z.string(), state: z.string() })),
  log_lines: z.array(z.looseObject({ text: z.string() })),
  log_total: z.number(),
});

labTest("Debian installs itself by preseed, and boots", { minutes: 240, only: "os" }, async (lab) => {
  const standIns = await makeStandIns(lab.directory, "13", "trixie", lab.say);
  const proxy = await startAptProxy(lab, standIns.overlay);
  overridePreseed(lab, `${new URL(proxy.mirror).origin}/${standIns.key}`);
  const bastion = await startBastion(lab, {
    // Drawing menus on a serial console is work for an emulated processor; plain lines are also good to read.
    install: {
      mirrors: { debian: proxy.mirror },
      kernelArgs: "console=tty0 console=ttyS0,115200 DEBIAN_FRONTEND=text",
    },
  });
  await bastion.cli(["image", "pull", "debian-13"], 15 * minute);
  const machine = await lab.addMachine({ name: "preseed", firmware: "uefi", disks: [300], memoryMiB: 3072 });
  await machine.powerOn();
  await waitForState(bastion, machine, "discovered", { timeoutMs: 10 * minute, say: lab.say });
  const order = ["provision", "install", machine.mac, "node-1", "--role", "worker", "--os", "debian-13"];
  await bastion.cli([...order, "--ssh-key", labKey]);
  const watch = bastion.startCli(
    ["provision", "logs", "-f", machine.mac],
    join(lab.directory, "install.log"),
  );
  const read = async () =>
    logs.parse(JSON.parse(await bastion.cli(["provision", "logs", machine.mac, "-o", "json"])));
  try {
    await waitForState(bastion, machine, "installed", { timeoutMs: 200 * minute, say: lab.say });
  } catch (error) {
    const { stages, log_lines } = await read();
    const came = stages.map(({ name, state }) => `${name} ${state}`).join(", ");
    lab.say(`it came as far as: ${came || "no stage"}; last heard: ${log_lines.at(-1)?.text ?? "nothing"}`);
    throw error;
  }
  await watch.stop();

  const told = await read();
  expect(told.stages.filter(({ state }) => state !== "done")).toEqual([]);
  expect(told.stages.length).toBeGreaterThanOrEqual(12);
  expect(told.log_total).toBeGreaterThan(100);

  await machine.expectText("node-1 login:", 20 * minute);
  await waitForServer(bastion, "node-1", { timeoutMs: 10 * minute, say: lab.say });
  const on = (...command: string[]) => bastion.cli(["exec", "server/node-1", "--", ...command]);
  expect(await on("hostname")).toBe("node-1\n");
  expect(await on("cat", "/etc/debian_version")).toStartWith("13.");
  expect(await on("cat", "/root/.ssh/authorized_keys")).toContain(labKey);
  expect(await on("lvs", "--noheadings", "-o", "lv_name", "labctl")).toMatch(/^\s*longhorn\s+root\s*$/);
  expect(await on("findmnt", "-no", "SOURCE,FSTYPE", "/var/lib/longhorn")).toMatch(/labctl-longhorn\s+ext4/);
  expect(await on("cat", "/proc/swaps")).not.toContain("/dev/");
});

/**
 * The product's own answers, with two additions for this mirror: installer components come from the suite with
 * the stand-ins, and its key is one more that the installer knows. Nothing is left unproven.
 */
function overridePreseed(lab: Lab, key: string): void {
  const own = readFileSync(join(top, "kickstart/debian/install.preseed"), "utf8");
  const before = "preseed/early_command string ";
  const suite = "mirror/udeb/suite string {{os.codename}}";
  if (!own.includes(before) || !own.includes(suite))
    throw new Error("the preseed is not the one this test knows");
  const addKey = `wget -q -O /tmp/key ${key} && cat /tmp/key >>/usr/share/keyrings/debian-archive-keyring.pgp && `;
  const folder = join(lab.directory, "bastion/kickstart/debian");
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "install.preseed"),
    own.replace(before, before + addKey).replace(suite, `mirror/udeb/suite string ${standInSuite}`),
  );
}
