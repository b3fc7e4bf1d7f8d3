import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Accelerator } from "./machine-arguments.ts";
import { start } from "./process.ts";

/**
 * A /dev/kvm that opens may still be unable to run firmware, so it has to prove itself: SeaBIOS must come to
 * its first line within a few seconds. LABCTL_ACCEL=kvm|tcg decides without asking.
 */
export async function probeAccelerator(): Promise<Accelerator> {
  const chosen = process.env.LABCTL_ACCEL;
  if (chosen === "kvm" || chosen === "tcg") return chosen;
  const directory = mkdtempSync(join(tmpdir(), "labctl-kvm-"));
  const debug = join(directory, "debug");
  const machine = start(
    [
      "qemu-system-x86_64",
      ...["-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "64", "-nodefaults", "-display", "none"],
      ...["-chardev", `file,id=debug,path=${debug}`, "-device", "isa-debugcon,iobase=0x402,chardev=debug"],
    ],
    { log: join(directory, "log") },
  );
  try {
    const end = Date.now() + 3000;
    while (Date.now() < end && machine.running()) {
      // Printed late in SeaBIOS: it found the memory and its devices.
      if (readText(debug).includes("Booting from")) return "kvm";
      if (readText(debug).includes("No bootable device")) return "kvm";
      await Bun.sleep(50);
    }
    return "tcg";
  } finally {
    await machine.stop(500);
    rmSync(directory, { recursive: true, force: true });
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
