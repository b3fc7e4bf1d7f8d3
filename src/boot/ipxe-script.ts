import type { BootFiles, BootOrder, BootRequest, LocalBoot } from "../machines/service.ts";
import { kernelArgument, plainText, urlPath } from "./boot-text.ts";

export interface LoaderMachine {
  firmware: BootRequest["firmware"];
  arch: BootRequest["arch"];
  /** What the machine reaches us by: `http://10.0.0.1:8080`. */
  baseUrl: string;
}

/** Attempts to load a kernel before the machine gives up, and seconds between two. */
const attempts = 5;
const pause = 3;
/** Seconds a message about a failure stays on the screen before the firmware goes on. */
const readingTime = 30;
/** Seconds in which somebody may choose from the menu. */
const menuTime = 20;

/** What is only known on the machine. `netX` is the card iPXE booted from. */
const query = [
  `mac=${variable("netX/mac")}`,
  `uuid=${variable("uuid")}`,
  `serial=${variable("serial:uristring")}`,
  `platform=${variable("platform")}`,
  `arch=${variable("buildarch")}`,
].join("&");

/**
 * The first script every iPXE loads, the same for all machines: asks us what this one boots. Ten tries in
 * about a minute, then the firmware's next boot device.
 */
export function renderFirstScript(baseUrl: string): string {
  return script([
    "echo",
    `echo labctl: asking ${baseUrl} what to boot`,
    // Loaded from a CD or the firmware's own file system, iPXE has no address yet.
    `isset ${variable("netX/ip")} || dhcp || echo labctl: no network card got an address by DHCP`,
    "set attempt:int32 0",
    ":ask",
    `chain --replace --autofree ${baseUrl}/dispatch?${query} ||`,
    "inc attempt",
    `iseq ${variable("attempt")} 10 && goto failed ||`,
    `echo labctl: no answer from ${baseUrl}, attempt ${variable("attempt")} of 10`,
    "sleep 5",
    `isset ${variable("netX/ip")} || dhcp ||`,
    "goto ask",
    ":failed",
    `echo labctl: ${baseUrl} did not answer. Is the bastion running, and can this network reach it?`,
    ...surrender,
  ]);
}

/** The script for what was decided. @throws `invalid` when a path or argument cannot be said in iPXE. */
export function renderScript(order: BootOrder, machine: LoaderMachine): string {
  switch (order.kind) {
    case "discover":
      return script([
        "echo labctl: booting into RAM to see what this machine is; no disk is touched",
        ...loadAndBoot(order.boot, machine, "the RAM environment"),
      ]);
    case "install":
      return script([
        `echo labctl: installing ${plainText(order.name)}`,
        ...loadAndBoot(order.boot, machine, "the installer"),
      ]);
    case "local":
      return script([
        `echo labctl: booting the local disk: ${plainText(order.reason)}`,
        ...bootDisk(order.method, machine),
      ]);
    case "menu":
      return script(menu(order, machine));
  }
}

/** For a request that cannot be answered: says why and hands the machine to its firmware. */
export const renderRefusal = (reason: string): string =>
  script([`echo labctl: ${plainText(reason)}`, ...surrender]);

function menu(order: Extract<BootOrder, { kind: "menu" }>, machine: LoaderMachine): string[] {
  return [
    "menu labctl: this machine waits for a decision",
    `item --gap -- ${plainText(order.reason)}`,
    "item --gap",
    "item disk Boot the local disk",
    "item discover Look at the hardware again (RAM environment, no disk is touched)",
    "item again Ask the bastion again",
    "item shell iPXE shell",
    `choose --default disk --timeout ${menuTime * 1000} choice && goto ${variable("choice")} || goto disk`,
    ":again",
    `chain --replace --autofree ${machine.baseUrl}/boot.ipxe || goto disk`,
    ":shell",
    "shell",
    ":disk",
    `echo labctl: booting the local disk: ${plainText(order.reason)}`,
    ...bootDisk(order.localMethod, machine),
    ":discover",
    ...loadAndBoot(order.discover, machine, "the RAM environment"),
  ];
}

function loadAndBoot(boot: BootFiles, { baseUrl }: LoaderMachine, what: string): string[] {
  // Numbered: two initrds of the same file name would be one to the kernel.
  const initrds = boot.initrds.map((path, index) => ({
    url: baseUrl + urlPath(path),
    name: `initrd${index}`,
  }));
  const kernel = [
    `kernel --name linux ${baseUrl}${urlPath(boot.kernel)}`,
    // The kernel's EFI stub finds its initrds by this, a BIOS boot ignores it.
    ...initrds.map(({ name }) => `initrd=${name}`),
    ...boot.args.map(kernelArgument),
  ].join(" ");
  return [
    "set attempt:int32 0",
    ":load",
    "imgfree",
    `${kernel} || goto retry`,
    ...initrds.map(({ url, name }) => `initrd --name ${name} ${url} || goto retry`),
    "boot || goto refused",
    ":retry",
    "inc attempt",
    `iseq ${variable("attempt")} ${attempts} && goto failed ||`,
    `echo labctl: could not load ${what}, attempt ${variable("attempt")} of ${attempts}`,
    `sleep ${pause}`,
    "goto load",
    ":refused",
    `echo labctl: the firmware does not start ${what}. Where Secure Boot is on, this machine has to boot by GRUB`,
    "goto surrender",
    ":failed",
    `echo labctl: could not load ${what} from ${baseUrl} in ${attempts} attempts; the lines above say why`,
    ":surrender",
    ...surrender,
  ];
}

/** How a machine gets to its disk where nobody chose a way: what both firmwares can do, see docs/firmware.md. */
export function localMethod(
  method: LocalBoot,
  firmware: BootRequest["firmware"],
): Exclude<LocalBoot, "auto"> {
  if (method !== "auto") return method;
  return firmware === "uefi" ? "exit" : "sanboot";
}

function bootDisk(method: LocalBoot, { firmware, arch }: LoaderMachine): string[] {
  const chosen = localMethod(method, firmware);
  if (chosen === "exit") return ["exit 1"];
  // To the BIOS 0x80 is the first disk, and its boot sector the only loader there is to chain to.
  // To UEFI iPXE a drive number is no more than "any disk"; the file is where every installer may put a loader.
  const loader = arch === "arm64" ? "BOOTAA64.EFI" : "BOOTX64.EFI";
  const file = firmware === "uefi" && chosen === "chainload" ? ` --filename \\EFI\\BOOT\\${loader}` : "";
  return [
    `sanboot --no-describe --drive ${firmware === "bios" ? "0x80" : "0"}${file} ||`,
    "echo labctl: the first disk does not boot",
    "sleep 5",
    "exit 1",
  ];
}

/** The last lines of every failure: what was said stays readable, then the firmware tries its next device. */
const surrender = [
  `prompt --key s --timeout ${readingTime * 1000} labctl: press s for a shell; the next boot device follows in ${readingTime} s && shell ||`,
  // Other than 0: EDK2 goes on to its next boot option only when this one failed.
  "exit 1",
];

function variable(name: string): string {
  return `\${${name}}`;
}

const script = (lines: readonly string[]) => `#!ipxe\n${lines.join("\n")}\n`;
