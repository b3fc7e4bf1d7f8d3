/** How a virtual machine is put together; everything here becomes QEMU's command line. */
export type Firmware = "bios" | "uefi" | "uefi-http" | "uefi-secure" | "uefi-arm64";
export type NicModel = "virtio-net-pci" | "e1000" | "e1000e" | "rtl8139" | "vmxnet3";
export type Accelerator = "kvm" | "tcg";

export interface Nic {
  mac: string;
  model: NicModel;
  /** `-netdev` backend without its id, for example `tap,ifname=tap0,…`. */
  backend: string;
  /** An option ROM in place of the default one; "" leaves UEFI to its own network stack. */
  romfile?: string | undefined;
}

export interface Disk {
  path: string;
  format: "raw" | "qcow2";
  bus: "virtio" | "sata" | "nvme";
  serial: string;
}

export interface MachineParts {
  name: string;
  firmware: Firmware;
  accelerator: Accelerator;
  memoryMiB: number;
  cpus: number;
  uuid: string;
  /** SMBIOS serial number of the system. */
  serial: string;
  nics: Nic[];
  disks: Disk[];
  /** A CD drive with this image. */
  iso?: string | undefined;
  /** Started without any boot loader, in place of what the firmware would find. */
  kernel?: { path: string; initrd: string; append: string } | undefined;
  /** What the firmware tries, in this order. */
  bootOrder: ("network" | "disk" | "iso")[];
  /** Files the machine writes, and its QMP socket. */
  files: { serial: string; debug: string; qmp: string; variables: string };
}

/** Debian's OVMF and AAVMF images; the variable store is copied per machine. */
export const firmwareImages = {
  uefi: { code: "/usr/share/OVMF/OVMF_CODE_4M.fd", variables: "/usr/share/OVMF/OVMF_VARS_4M.fd" },
  "uefi-http": { code: "/usr/share/OVMF/OVMF_CODE_4M.fd", variables: "/usr/share/OVMF/OVMF_VARS_4M.fd" },
  // Microsoft's keys enrolled, Secure Boot on.
  "uefi-secure": {
    code: "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
    variables: "/usr/share/OVMF/OVMF_VARS_4M.ms.fd",
  },
  "uefi-arm64": { code: "/usr/share/AAVMF/AAVMF_CODE.fd", variables: "/usr/share/AAVMF/AAVMF_VARS.fd" },
} as const;

export function qemuArguments(parts: MachineParts): string[] {
  const { firmware, files } = parts;
  const priority = (kind: "network" | "disk" | "iso", nth = 0) => {
    const at = parts.bootOrder.indexOf(kind);
    return at < 0 ? "" : `,bootindex=${at * 10 + nth + 1}`;
  };
  const secure = firmware === "uefi-secure";
  const arm = firmware === "uefi-arm64";
  const args = [
    ["-name", parts.name],
    // graphics=off makes SeaBIOS and what it starts write to the serial port as well as to the screen.
    ["-machine", arm ? "virt" : `q35${secure ? ",smm=on" : ""}${firmware === "bios" ? ",graphics=off" : ""}`],
    // QEMU's own default is a processor of 2003; the agent's runtime needs SSE4.2, as RHEL 9 does.
    parts.accelerator === "kvm"
      ? ["-accel", "kvm", "-cpu", "host"]
      : ["-accel", "tcg,thread=multi", "-cpu", arm ? "cortex-a72" : "Nehalem"],
    ["-smp", String(parts.cpus)],
    ["-m", String(parts.memoryMiB)],
    ["-uuid", parts.uuid],
    ["-smbios", `type=1,manufacturer=Labctl,product=Testbench,serial=${parts.serial},uuid=${parts.uuid}`],
    ["-nodefaults", "-no-user-config", "-display", "none"],
    arm ? ["-device", "ramfb"] : ["-vga", "std"],
    ["-rtc", "base=utc"],
    ["-chardev", `file,id=serial,path=${files.serial},append=on`, "-serial", "chardev:serial"],
    ["-qmp", `unix:${files.qmp},server=on,wait=off`],
    ["-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng"],
  ];
  if (!arm) {
    args.push(
      ["-chardev", `file,id=debug,path=${files.debug},append=on`],
      ["-device", "isa-debugcon,iobase=0x402,chardev=debug"],
    );
  }
  if (firmware !== "bios") {
    args.push(
      ["-drive", `if=pflash,unit=0,format=raw,readonly=on,file=${firmwareImages[firmware].code}`],
      ["-drive", `if=pflash,unit=1,format=raw,file=${files.variables}`],
    );
  }
  if (secure) args.push(["-global", "driver=cfi.pflash01,property=secure,value=on"]);
  if (firmware === "uefi-http") {
    // Leaves HTTP Boot as the only way over the network.
    for (const option of ["IPv4PXESupport", "IPv6PXESupport"]) {
      args.push(["-fw_cfg", `name=opt/org.tianocore/${option},string=n`]);
    }
  } else if (firmware !== "bios") {
    args.push(["-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n"]);
  }
  parts.nics.forEach((nic, index) => {
    const rom = nic.romfile === undefined ? "" : `,romfile=${nic.romfile}`;
    args.push(
      ["-netdev", `${nic.backend},id=net${index}`],
      ["-device", `${nic.model},netdev=net${index},mac=${nic.mac}${rom}${priority("network", index)}`],
    );
  });
  // The board has six SATA ports of its own.
  let port = 0;
  parts.disks.forEach((disk, index) => {
    const device = {
      virtio: () => "virtio-blk-pci",
      sata: () => `ide-hd,bus=ide.${port++}`,
      nvme: () => "nvme",
    }[disk.bus]();
    args.push(
      [
        "-drive",
        `if=none,id=disk${index},file=${disk.path},format=${disk.format},cache=unsafe,discard=unmap,detect-zeroes=unmap`,
      ],
      ["-device", `${device},drive=disk${index},serial=${disk.serial}${priority("disk", index)}`],
    );
  });
  if (parts.kernel !== undefined) {
    const { path, initrd, append } = parts.kernel;
    args.push(["-kernel", path, "-initrd", initrd, "-append", append]);
  }
  if (parts.iso !== undefined) {
    args.push(
      ["-drive", `if=none,id=cd,media=cdrom,readonly=on,format=raw,file=${parts.iso}`],
      ["-device", `ide-cd,bus=ide.${port++},drive=cd${priority("iso")}`],
    );
  }
  return args.flat();
}
