/**
 * The main job before your eyes: a blank machine boots from the network, is discovered, installs and boots from
 * its disk. Everything happens in a lab of network namespaces and virtual machines that is gone afterwards.
 *
 *   npm run demo              and leave nothing behind
 *   npm run demo -- --keep    and leave the appliance and the machine up
 *   npm run demo -- --stop    take down what --keep left
 *   npm run demo -- --bios    a BIOS machine in place of a UEFI one
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { rememberKept, removeKept } from "./demo/kept.ts";
import { createScreen, type Screen, seconds } from "./demo/screen.ts";
import { buildDiskImage, buildExecutable, buildRam, labKey } from "./lab/artifacts.ts";
import { type LabBastion, startBastion } from "./lab/bastion.ts";
import { createLab, type Lab, top } from "./lab/lab.ts";
import type { Machine } from "./lab/machine.ts";
import { listMachines } from "./lab/watch.ts";

const argv = process.argv.slice(2);
const unknown = argv.filter((arg) => !["--keep", "--stop", "--bios"].includes(arg));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(" ")}; usage: npm run demo [-- --keep | --stop | --bios]`);
  process.exit(2);
}
const keep = argv.includes("--keep");
const hostname = "node-1";
const minute = 60_000;

/** What `labctl provision show MAC --boot -o json` has of each boot, as far as it is shown. */
const bootRecord = z.looseObject({
  boots: z.array(
    z.looseObject({ startedAt: z.number(), events: z.array(z.looseObject({ text: z.string() })) }),
  ),
});

if (argv.includes("--stop")) {
  console.log((await removeKept()) ? "the kept demo is gone" : "no demo was kept");
  process.exit(0);
}
const screen = createScreen(process.stdout, () => performance.now());
process.exitCode = await demo().finally(() => screen.close());

async function demo(): Promise<number> {
  if (process.getuid?.() !== 0) {
    console.error("the demo makes network namespaces: run it as root");
    return 1;
  }
  await removeKept();
  const began = performance.now();
  screen.act("Preparing: the executable, the RAM environment, a Debian image");
  await build();
  const lab = await createLab({ say: () => {}, outlive: keep });
  let kept = false;
  try {
    const bastion = await startBastion(lab);
    screen.line("bastion", `DHCP, TFTP and HTTP on ${lab.network.serverAddress} in a network of its own`);
    await addImage(bastion);
    const firmware = argv.includes("--bios") ? "bios" : "uefi";
    const machine = await lab.addMachine({ name: "blank", firmware });
    const times = await installMachine(lab, bastion, machine);
    screen.act("How long it took");
    screen.table([...times, ["everything, with preparation", seconds(performance.now() - began)]]);
    if (keep) {
      rememberKept(lab.directory, [...lab.network.namespaces], lab.pids());
      lab.scope.release();
      kept = true;
      tellHowToUse(lab, bastion, machine);
    }
    return 0;
  } catch (error) {
    const evidence = join(top, "dist/lab/demo");
    await lab.keepEvidence(evidence).catch(() => {});
    screen.line("failed", error instanceof Error ? error.message : String(error));
    screen.line("failed", `serial console, logs and a screenshot are in ${evidence}`);
    return 1;
  } finally {
    if (!kept) await lab.close();
  }
}

async function build(): Promise<void> {
  screen.status("building dist/labctl");
  screen.line("build", await buildExecutable());
  screen.status("building the RAM environment from Debian's packages");
  await buildRam();
  screen.line("build", "RAM environment: dist/ram/x86_64/{vmlinuz,initrd.img}");
}

/** The image is built once and kept in dist/; each demo's bastion is given it anew. */
async function addImage(bastion: LabBastion): Promise<void> {
  screen.status("labctl image build debian-12: a disk image from Debian's packages");
  const file = await buildDiskImage();
  screen.status(`labctl image add debian-12 ${file}`);
  await bastion.cli(["image", "add", "debian-12", file], 5 * minute);
  screen.line("build", `image debian-12: ${Math.round(Bun.file(file).size / 1e6)} MB`);
}

/** From power-on to the login prompt of the installed system; how long each part took. */
async function installMachine(lab: Lab, bastion: LabBastion, machine: Machine): Promise<[string, string][]> {
  screen.act(
    `Power on: ${machine.mac}, a blank disk, ${lab.accelerator === "kvm" ? "KVM" : "software emulation"}`,
  );
  screen.startClock();
  const powerOn = performance.now();
  await machine.powerOn();
  const follow = followBootRecord(bastion, machine, screen);
  try {
    screen.status("the firmware asks for an address");
    const discovered = await until("the machine to be discovered", 10 * minute, machine, async () =>
      (await listMachines(bastion)).some((each) => each.mac === machine.mac && each.state === "discovered"),
    );
    await follow.flush();
    screen.act(`Discovered: labctl provision list`);
    process.stdout.write(indent(await bastion.cli(["provision", "list"])));

    const order = ["provision", "install", machine.mac, hostname, "--os", "image:debian-12"];
    screen.act(`Queue an install: labctl ${order.join(" ")} --ssh-key …`);
    process.stdout.write(indent(await bastion.cli([...order, "--ssh-key", labKey])));
    const logs = followLogs(lab, bastion, machine, screen);
    screen.status("labctl provision wait");
    const waited = await bastion.tryCli(["provision", "wait", machine.mac, "--timeout", "20m"], 21 * minute);
    await logs.stop();
    const installed = performance.now();
    if (waited.status !== 0) throw new Error(`the install did not succeed: ${waited.stderr.trim()}`);
    await follow.flush();

    screen.act("Installed: the next start is from the disk");
    screen.status("booting from the disk");
    await machine.expectText(`${hostname} login:`, 10 * minute);
    await follow.flush();
    screen.line("console", `${hostname} login:`);
    const booted = performance.now();
    return [
      ["power-on to discovered", seconds(discovered - powerOn)],
      ["install", seconds(installed - discovered)],
      ...(await stageTimes(bastion, machine)),
      ["boot from disk to login", seconds(booted - installed)],
      ["power-on to login", seconds(booted - powerOn)],
    ];
  } finally {
    await follow.stop();
  }
}

/** Waits for `happened`; gives the time it did. */
async function until(
  what: string,
  timeoutMs: number,
  machine: Machine,
  happened: () => Promise<boolean>,
): Promise<number> {
  const end = performance.now() + timeoutMs;
  while (!(await happened())) {
    if (!machine.running()) throw new Error(`waiting for ${what}: the machine has ended`);
    if (performance.now() > end) throw new Error(`waiting for ${what}: not within ${seconds(timeoutMs)}`);
    await Bun.sleep(500);
  }
  return performance.now();
}

/** Shows each new step of the boot record as it comes. */
function followBootRecord(bastion: LabBastion, machine: Machine, to: Screen) {
  const shown = new Map<number, number>();
  let running = true;
  const flush = async () => {
    const output = await bastion.tryCli(["provision", "show", machine.mac, "--boot", "-o", "json"]);
    // Nothing is known of a machine that has not asked for anything yet.
    if (output.status !== 0) return;
    for (const { startedAt, events } of bootRecord.parse(JSON.parse(output.stdout)).boots.toReversed()) {
      for (const { text } of events.slice(shown.get(startedAt) ?? 0)) to.line("boot", text);
      shown.set(startedAt, events.length);
    }
  };
  const loop = (async () => {
    while (running) {
      await flush();
      await Bun.sleep(700);
    }
  })();
  return {
    flush,
    async stop() {
      running = false;
      await loop;
    },
  };
}

/** `labctl provision logs -f`, line by line. */
function followLogs(lab: Lab, bastion: LabBastion, machine: Machine, to: Screen) {
  const file = join(lab.directory, "follow.log");
  const child = bastion.startCli(["provision", "logs", "-f", machine.mac], file);
  let shown = 0;
  let running = true;
  const flush = () => {
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    const whole = text.slice(shown, text.lastIndexOf("\n") + 1);
    shown += whole.length;
    for (const line of whole.split("\n")) if (line.trim() !== "") to.line("install", line);
  };
  const loop = (async () => {
    while (running) {
      flush();
      await Bun.sleep(200);
    }
  })();
  return {
    async stop() {
      // What the last stage said is still on its way.
      await Bun.sleep(1000);
      running = false;
      await loop;
      await child.stop();
      flush();
    },
  };
}

async function stageTimes(bastion: LabBastion, machine: Machine): Promise<[string, string][]> {
  const { stages } = z
    .looseObject({
      stages: z.array(
        z.looseObject({ name: z.string(), startedAt: z.number(), endedAt: z.number().optional() }),
      ),
    })
    .parse(JSON.parse(await bastion.cli(["provision", "logs", machine.mac, "-o", "json"])));
  return stages.map((stage) => [
    `  ${stage.name}`,
    stage.endedAt === undefined ? "" : seconds(stage.endedAt - stage.startedAt),
  ]);
}

function tellHowToUse(lab: Lab, bastion: LabBastion, machine: Machine): void {
  screen.act("Left up");
  screen.table([
    ["lab address", `${bastion.url} in network namespace ${lab.network.server}`],
    ["commands", `LABCTL_SOCKET=${bastion.socket} dist/labctl provision list`],
    ["from inside", `ip netns exec ${lab.network.server} curl ${bastion.url}/boot.ipxe`],
    ["machine", `${machine.mac}, serial console in ${machine.console.path}`],
    ["daemon's log", bastion.log],
    ["take down", "npm run demo -- --stop"],
  ]);
}

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, "  ").concat("\n");
}
