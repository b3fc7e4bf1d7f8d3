import { boolean, integer, number, type Param, string } from "./params.ts";

export const skiplock = boolean({ check: () => "Only root may use this option." });
export const digest = string({ maxLength: 40 });

const property = (check?: Param["check"]) => string({ format: "property", ...(check && { check }) });
const net = property((value) =>
  /^(virtio|e1000|e1000e|rtl8139|vmxnet3|model=|macaddr=|name=)/.test(value)
    ? undefined
    : "invalid format - format error\n",
);
const disk = property((value) =>
  /^(none|cdrom|[a-z][\w.-]*:.+|file=.+|volume=.+)/i.test(value)
    ? undefined
    : "invalid format - format error\n",
);
const memory = string({
  format: "property",
  check: (value) =>
    Number(value.replace(/^current=/, "")) >= 16
      ? undefined
      : "invalid format - format error\nmemory.current: value must have a minimum value of 16\n",
  in: { 7: { type: "integer", format: "integer", min: 16 } },
});

/** The settings of a VM that the fake keeps. */
export const vmSettings: Record<string, Param> = {
  acpi: boolean(),
  agent: property(),
  args: string(),
  autostart: boolean(),
  balloon: integer({ min: 0 }),
  bios: string({ enum: ["seabios", "ovmf"] }),
  boot: string({ format: "pve-qm-boot" }),
  cicustom: string({ format: "pve-qm-cicustom" }),
  cipassword: string(),
  citype: string({ enum: ["configdrive2", "nocloud", "opennebula"] }),
  ciupgrade: boolean({ since: 8 }),
  ciuser: string(),
  cores: integer({ min: 1 }),
  cpu: string({
    format: "pve-vm-cpu-conf",
    check: (value) =>
      /^[A-Za-z]/.test(value)
        ? undefined
        : `invalid format - Built-in cputype '${value}' is not defined (missing 'custom-' prefix?)\n`,
  }),
  cpulimit: number({ min: 0, max: 128 }),
  cpuunits: integer({ min: 1, max: 262_144 }),
  description: string({ maxLength: 8192 }),
  efidisk0: disk,
  hotplug: string({ format: "pve-hotplug-features" }),
  "ide[n]": disk,
  "ipconfig[n]": string({ format: "pve-qm-ipconfig" }),
  kvm: boolean(),
  lock: string(),
  machine: string(),
  memory,
  name: string({ format: "dns-name" }),
  nameserver: string({ format: "address-list" }),
  "net[n]": net,
  numa: boolean(),
  onboot: boolean(),
  ostype: string(),
  protection: boolean(),
  "sata[n]": disk,
  "scsi[n]": disk,
  scsihw: string(),
  searchdomain: string(),
  "serial[n]": string({
    pattern: "(/dev/[^,]+|socket)",
    in: { 7: { pattern: "(/dev/.+|socket)" }, 8: { pattern: "(/dev/.+|socket)" } },
  }),
  smbios1: string({ format: "pve-qm-smbios1", maxLength: 512 }),
  sockets: integer({ min: 1 }),
  sshkeys: string({ format: "urlencoded" }),
  startup: string({ format: "pve-startup-order" }),
  tablet: boolean(),
  tags: string({ format: "pve-tag-list" }),
  template: boolean(),
  "unused[n]": property(),
  vcpus: integer({ min: 1 }),
  vga: property(),
  "virtio[n]": disk,
};

export const containerSettings: Record<string, Param> = {
  arch: string({ enum: ["amd64", "i386", "arm64", "armhf", "riscv32", "riscv64"] }),
  cores: integer({ min: 1, max: 8192 }),
  cpulimit: number({ min: 0, max: 8192 }),
  description: string({ maxLength: 8192 }),
  features: property(),
  hostname: string({ format: "dns-name", maxLength: 255 }),
  memory: integer({ min: 16 }),
  "mp[n]": property(),
  nameserver: string(),
  "net[n]": net,
  onboot: boolean(),
  ostype: string(),
  protection: boolean(),
  rootfs: disk,
  searchdomain: string({ format: "dns-name-list" }),
  startup: string({ format: "pve-startup-order" }),
  swap: integer({ min: 0 }),
  tags: string({ format: "pve-tag-list" }),
  timezone: string({ format: "pve-ct-timezone" }),
  unprivileged: boolean(),
};
