import { AppError } from "../platform/errors.ts";

/** What a Debian disk image is made of. */
export interface Recipe {
  os: string;
  codename: string;
  packages: readonly string[];
}

const codenames: Record<string, string> = { "debian-12": "bookworm", "debian-13": "trixie" };

/** The systems an image can be made of. */
export const recipeSystems: readonly string[] = Object.keys(codenames);

/** A kernel that drives any machine, what boots it by BIOS and UEFI (Secure Boot included), and what roles need. */
const packages = [
  "linux-image-amd64",
  "initramfs-tools",
  "systemd-sysv",
  "systemd-resolved",
  "systemd-timesyncd",
  "dbus",
  "udev",
  "kmod",
  "openssh-server",
  "sudo",
  "lvm2",
  "e2fsprogs",
  "dosfstools",
  "grub2-common",
  "grub-pc-bin",
  "grub-efi-amd64-bin",
  "grub-efi-amd64-signed",
  "shim-signed",
  "efibootmgr",
  "iproute2",
  "iputils-ping",
  "netbase",
  "nfs-common",
  "open-iscsi",
  "ca-certificates",
  "curl",
  "less",
  "tzdata",
  "zstd",
];

/** @throws `invalid` for a system no image can be made of. */
export function imageRecipe(os: string, more: readonly string[]): Recipe {
  const codename = codenames[os];
  if (codename === undefined) {
    throw new AppError("invalid", `no image can be made of '${os.slice(0, 40)}'`, {
      hint: `these can: ${recipeSystems.join(", ")}; ram makes the RAM environment`,
    });
  }
  const wrong = more.find((name) => !/^[a-z0-9][a-z0-9+.-]+$/.test(name));
  if (wrong !== undefined)
    throw new AppError("invalid", `'${wrong.slice(0, 40)}' is not the name of a package`);
  return { os, codename, packages: [...packages, ...more] };
}

/** Places of the image's partitions, in MiB; the root is last, so that it can grow. */
export const imageLayout = {
  bios: { start: 1, size: 1 },
  esp: { start: 2, size: 64 },
  root: { start: 66 },
} as const;

/** For sfdisk(8). */
export const renderTable = (rootMib: number, diskId: string): string =>
  [
    "label: gpt",
    `label-id: ${diskId}`,
    `start=${imageLayout.bios.start}MiB, size=${imageLayout.bios.size}MiB, type=21686148-6449-6E6F-744E-656564454649, name=labctl-bios`,
    `start=${imageLayout.esp.start}MiB, size=${imageLayout.esp.size}MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=labctl-esp`,
    `start=${imageLayout.root.start}MiB, size=${rootMib}MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=labctl-root`,
    "",
  ].join("\n");

/** What GRUB reads first, in its core image and on the EFI system partition: where the root is. */
export const renderFirstGrub = (rootUuid: string): string =>
  `search --no-floppy --fs-uuid --set=root ${rootUuid}\nset prefix=($root)/boot/grub\nconfigfile ($root)/boot/grub/grub.cfg\n`;

/** Until the installed system's own update-grub replaces it. The kernel is found by Debian's links. */
export const renderGrub = (rootUuid: string, title: string): string =>
  `set default=0
set timeout=2
menuentry '${title}' {
  search --no-floppy --fs-uuid --set=root ${rootUuid}
  linux /vmlinuz root=UUID=${rootUuid} ro
  initrd /initrd.img
}
`;

export const renderFstab = (rootUuid: string, espSerial: string): string =>
  `UUID=${rootUuid} / ext4 errors=remount-ro 0 1\nUUID=${espSerial} /boot/efi vfat umask=0077,nofail 0 2\n`;

/** DHCP on every wired interface, until the install writes this machine's own file. */
export const defaultNetwork =
  "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n\n[DHCPv4]\nClientIdentifier=mac\n";

/** A UUID (version 8, RFC 9562) of 16 bytes that were derived from the image's content. */
export function uuidOf(bytes: Uint8Array): string {
  const own = Uint8Array.from(bytes.subarray(0, 16));
  own[6] = ((own[6] ?? 0) & 0x0f) | 0x80;
  own[8] = ((own[8] ?? 0) & 0x3f) | 0x80;
  const hex = own.toHex();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
