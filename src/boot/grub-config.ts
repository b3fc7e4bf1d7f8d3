import type { BootFiles, BootOrder, BootRequest } from "../machines/service.ts";
import { kernelArgument, plainText, urlPath } from "./boot-text.ts";

/**
 * GRUB configurations for the Secure Boot path: shim → Debian's signed GRUB → a signed kernel. Words stand
 * between single quotes, in which GRUB knows no special character but the quote itself.
 */
export interface GrubMachine {
  arch: BootRequest["arch"];
  /** Host and port of our HTTP: `10.0.0.1:8080`. GRUB reads it as the device `(http,10.0.0.1:8080)`. */
  httpHost: string;
}

const attempts = 5;
const pause = 3;
const readingTime = 30;
const menuTime = 20;

/** Where a machine's own configuration is, from the root of TFTP and HTTP alike. */
export const grubMachinePath = (mac: string, cpu: string) => `/grub/machine/${mac}/${cpu}.cfg`;
const wantedPath = /^grub\/machine\/([0-9a-f:-]{12,17})\/(\w{1,16})\.cfg$/i;

/** The MAC and CPU of a path `grubMachinePath` makes, without its first slash; `undefined` for any other. */
export function readGrubMachinePath(path: string): { mac: string; cpu: string } | undefined {
  const found = wantedPath.exec(path);
  return found?.[1] && found[2] ? { mac: found[1], cpu: found[2] } : undefined;
}

/** `grub/grub.cfg`, the same for all machines: fetches the machine's own, from wherever GRUB itself came. */
export function renderFirstConfig(): string {
  const own = grubMachinePath("$net_default_mac", "$grub_cpu");
  return config([
    "echo labctl: asking the bastion what to boot",
    `for attempt in ${counted(attempts)}; do`,
    `  if configfile ${own}; then true; fi`,
    `  echo labctl: no answer, attempt $attempt of ${attempts}`,
    `  sleep ${pause}`,
    "done",
    ...surrender("the bastion did not answer"),
  ]);
}

/** The configuration for what was decided. @throws `invalid` when a path or argument cannot be said. */
export function renderConfig(order: BootOrder, machine: GrubMachine): string {
  switch (order.kind) {
    case "discover":
      return config([
        say("booting into RAM to see what this machine is; no disk is touched"),
        ...loadAndBoot(order.boot, machine, "the RAM environment"),
      ]);
    case "install":
      return config([say(`installing ${order.name}`), ...loadAndBoot(order.boot, machine, "the installer")]);
    case "local":
      return config([
        say(`booting the local disk: ${order.reason}`),
        ...bootDisk(order.method === "exit", machine),
      ]);
    case "menu":
      return config([
        `set timeout=${menuTime}`,
        "set default=disk",
        say(order.reason),
        `menuentry 'Boot the local disk (${inQuotes(order.reason)})' --id disk {`,
        ...indent(bootDisk(order.localMethod === "exit", machine)),
        "}",
        "menuentry 'Look at the hardware again (RAM environment, no disk is touched)' --id discover {",
        ...indent(loadAndBoot(order.discover, machine, "the RAM environment")),
        "}",
      ]);
  }
}

export const renderGrubRefusal = (reason: string): string => config(surrender(reason));

function loadAndBoot(boot: BootFiles, { httpHost }: GrubMachine, what: string): string[] {
  const file = (path: string) => `'(http,${httpHost})${urlPath(path)}'`;
  const args = boot.args.map(kernelArgument).map((argument) => `'${argument.replaceAll('"', "")}'`);
  return [
    `for attempt in ${counted(attempts)}; do`,
    `  if linux ${[file(boot.kernel), ...args].join(" ")}; then`,
    ...(boot.initrds.length > 0
      ? [`    if initrd ${boot.initrds.map(file).join(" ")}; then boot; fi`]
      : ["    boot"]),
    "  fi",
    `  echo labctl: could not load ${quoted(what)}, attempt $attempt of ${attempts}`,
    `  sleep ${pause}`,
    "done",
    ...surrender(`could not load ${what} from ${httpHost}; the lines above say why`),
  ];
}

/** Loaders on a disk's EFI system partition, the distributions' own before the one for removable media. */
const loaders = {
  x86_64: [
    ...["debian", "ubuntu", "fedora", "redhat", "rocky", "almalinux", "centos", "proxmox"].map(
      (vendor) => `/EFI/${vendor}/shimx64.efi`,
    ),
    ...["/EFI/proxmox/grubx64.efi", "/EFI/debian/grubx64.efi", "/EFI/Microsoft/Boot/bootmgfw.efi"],
    "/EFI/BOOT/BOOTX64.EFI",
  ],
  arm64: [
    ...["debian", "ubuntu", "fedora", "redhat", "rocky", "almalinux", "centos"].map(
      (vendor) => `/EFI/${vendor}/shimaa64.efi`,
    ),
    "/EFI/BOOT/BOOTAA64.EFI",
  ],
};

function bootDisk(exit: boolean, { arch }: GrubMachine): string[] {
  if (exit) return ["exit"];
  return [
    `for loader in ${loaders[arch].join(" ")}; do`,
    // The loader is told that it came from $root, and looks there for what belongs to it: not in the network.
    "  if search --no-floppy --file --set=root $loader; then",
    "    echo labctl: starting ($root)$loader",
    "    if chainloader $loader; then boot; fi",
    "  fi",
    "done",
    say("found no boot loader on the disks"),
    "sleep 5",
    "exit",
  ];
}

const surrender = (reason: string) => [
  say(reason),
  say(`the next boot device follows in ${readingTime} s; Escape opens a prompt`),
  `if sleep --interruptible ${readingTime}; then exit; fi`,
];

const counted = (count: number) => Array.from({ length: count }, (_, index) => index + 1).join(" ");
const indent = (lines: readonly string[]) => lines.map((line) => `  ${line}`);
/** Neither a path nor an argument that was let through holds a quote; texts lose theirs. */
const inQuotes = (text: string) => plainText(text).replaceAll("'", "`");
const quoted = (text: string) => `'${inQuotes(text)}'`;
const say = (text: string) => `echo ${quoted(`labctl: ${text}`)}`;
const config = (lines: readonly string[]) => `${lines.join("\n")}\n`;
