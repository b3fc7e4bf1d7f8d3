import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cable } from "./cable.ts";
import { openTextLog, type TextLog } from "./console.ts";
import { firmwareImages, type MachineParts, qemuArguments } from "./machine-arguments.ts";
import { type LabProcess, run, type Starter, tailOf } from "./process.ts";
import { connectQmp, type Qmp } from "./qmp.ts";
import type { Scope } from "./scope.ts";

/** A virtual machine. Off when made; `powerOn` and `powerOff` as often as wanted, its disks keep what is on them. */
export interface Machine {
  readonly name: string;
  readonly mac: string;
  readonly uuid: string;
  readonly serial: string;
  readonly disks: readonly string[];
  /** Where it was made with one of its own. */
  readonly cable: Cable | undefined;
  /** The serial console of all its starts. */
  readonly console: TextLog;
  powerOn(bootOrder?: MachineParts["bootOrder"]): Promise<void>;
  /** Pulls the plug. */
  powerOff(): Promise<void>;
  running(): boolean;
  /** The reset button. */
  reset(): Promise<void>;
  /** Presses the power button (ACPI); the guest decides. */
  pressPower(): Promise<void>;
  /** Resolves when the guest has powered itself off. */
  waitForPowerOff(timeoutMs: number): Promise<void>;
  /** Waits for text on the serial console since the last `console.mark()`; fails early when the machine ends. */
  expectText(pattern: string | RegExp, timeoutMs: number): Promise<RegExpMatchArray>;
  /** A PNG of the screen; its path, or undefined when the machine is off. */
  screenshot(label: string): Promise<string | undefined>;
}

export async function createDisk(path: string, sizeGiB: number): Promise<void> {
  await run(["qemu-img", "create", "-q", "-f", "qcow2", path, `${sizeGiB}G`]);
}

export function createMachine(
  scope: Scope,
  setup: {
    parts: Omit<MachineParts, "files">;
    cable?: Cable | undefined;
    directory: string;
    namespace: string;
    say: (text: string) => void;
    start: Starter;
  },
): Machine {
  const { parts, directory, namespace, say, start } = setup;
  mkdirSync(directory, { recursive: true });
  const files: MachineParts["files"] = {
    serial: join(directory, "serial.log"),
    debug: join(directory, "firmware.log"),
    // A Unix socket's path may have 107 bytes at most: keep it short.
    qmp: join(directory, "qmp"),
    variables: join(directory, "variables.fd"),
  };
  writeFileSync(files.serial, "");
  if (parts.firmware !== "bios") copyFileSync(firmwareImages[parts.firmware].variables, files.variables);
  const qemuLog = join(directory, "qemu.log");
  const consoleLog = openTextLog(files.serial, (text) => say(`${parts.name}: ${text}`));
  let vm: LabProcess | undefined;
  let qmp: Qmp | undefined;

  const running = () => vm?.running() ?? false;
  let silence: NodeJS.Timeout | undefined;
  const powerOff = async () => {
    clearInterval(silence);
    qmp?.close();
    qmp = undefined;
    await vm?.stop(2000);
    vm = undefined;
  };
  scope.defer(powerOff);
  const monitor = () => {
    if (!qmp || !running()) throw new Error(`${parts.name} is off`);
    return qmp;
  };

  // Seen once under emulation: the firmware stayed silent after a restart while the emulator still answered.
  const revive = async () => {
    say(`${parts.name}: no sign of the firmware a minute and a half after a restart: pressing reset`);
    const registers = await monitor().execute("human-monitor-command", {
      "command-line": "info registers -a",
    });
    writeFileSync(join(directory, "registers.txt"), String(registers));
    await monitor().execute("system_reset");
  };

  return {
    name: parts.name,
    mac: parts.nics[0]?.mac ?? "",
    uuid: parts.uuid,
    serial: parts.serial,
    disks: parts.disks.map((disk) => disk.path),
    cable: setup.cable,
    console: consoleLog,
    running,
    powerOff,
    async powerOn(bootOrder = parts.bootOrder) {
      await powerOff();
      const args = qemuArguments({ ...parts, bootOrder, files });
      say(`${parts.name}: power on (${parts.firmware}, ${parts.accelerator})`);
      const program = parts.firmware === "uefi-arm64" ? "qemu-system-aarch64" : "qemu-system-x86_64";
      vm = start([program, ...args], { log: qemuLog, namespace });
      try {
        qmp = await connectQmp(files.qmp);
      } catch (error) {
        await powerOff();
        throw new Error(`${parts.name} did not start: ${tailOf(qemuLog) || String(error)}`);
      }
      const lost = () => void revive().catch((error) => say(`${parts.name}: ${error}`));
      silence = setInterval(watchRestart(consoleLog, lost), 5_000);
    },
    async reset() {
      await monitor().execute("system_reset");
    },
    async pressPower() {
      await monitor().execute("system_powerdown");
    },
    async waitForPowerOff(timeoutMs) {
      say(`${parts.name}: waiting for power off (at most ${Math.round(timeoutMs / 1000)} s)`);
      const end = Date.now() + timeoutMs;
      while (running()) {
        if (Date.now() > end) throw new Error(`${parts.name} did not power off within ${timeoutMs / 1000} s`);
        await Bun.sleep(200);
      }
      await powerOff();
    },
    expectText: (pattern, timeoutMs) =>
      consoleLog.waitFor(pattern, {
        timeoutMs,
        giveUp: () => (running() ? undefined : `${parts.name} is off. ${tailOf(qemuLog, 3)}`),
      }),
    async screenshot(label) {
      if (!qmp || !running()) return undefined;
      const path = join(directory, `${label}.png`);
      await qmp.execute("screendump", { filename: path, format: "png" });
      return path;
    },
  };
}

/** Calls `lost` when Linux' last word before a restart has stayed the console's last for 90 s; to be called every 5 s. */
export function watchRestart(log: TextLog, lost: () => void): () => void {
  let silent = 0;
  return () => {
    silent = /reboot: (?:machine restart|Restarting system)\s*$/.test(log.text().slice(-200))
      ? silent + 5
      : 0;
    if (silent >= 90) {
      silent = 0;
      lost();
    }
  };
}
