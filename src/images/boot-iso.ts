import { AppError } from "../platform/errors.ts";

/** The address a machine gives itself where nobody hands one out. */
export interface StaticNetwork {
  address: string;
  netmask: string;
  gateway?: string;
}

const ipv4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;

/**
 * The iPXE script on the ISO: an address, then the bastion's own first script, so that a machine started from it is
 * dispatched like one that booted from the network. It asks for ever: a bastion that is down for a moment comes back.
 * @throws `invalid` for an address, or a URL that iPXE could not fetch
 */
export function renderIsoScript(bastionUrl: string, network?: StaticNetwork): string {
  const url = checkUrl(bastionUrl);
  return [
    "#!ipxe",
    `echo labctl: looking for the bastion at ${url}`,
    ":address",
    ...(network === undefined ? ["dhcp || goto wait"] : staticNetwork(network)),
    `chain ${url}/boot.ipxe || goto wait`,
    "exit",
    ":wait",
    "echo labctl: no bastion yet",
    "prompt --key 0x73 --timeout 5000 Press s for a shell, or wait to try again && shell ||",
    "goto address",
    "",
  ].join("\n");
}

function staticNetwork({ address, netmask, gateway }: StaticNetwork): string[] {
  for (const [what, value] of Object.entries({ address, netmask, gateway: gateway ?? address })) {
    if (ipv4.test(value)) continue;
    throw new AppError("invalid", `the ${what} '${value.slice(0, 40)}' is not an IPv4 address`, {
      hint: "write four numbers, for example 10.0.0.20",
    });
  }
  return [
    "ifopen net0 || goto wait",
    `set net0/ip ${address}`,
    `set net0/netmask ${netmask}`,
    ...(gateway === undefined ? [] : [`set net0/gateway ${gateway}`]),
  ];
}

function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // a path or a query would be cut off by /boot.ipxe; iPXE's own variables must not be smuggled in
  if (url?.protocol !== "http:" || url.pathname !== "/" || url.search !== "" || /[\s${}|&;]/.test(text)) {
    throw new AppError("invalid", `'${text.slice(0, 80)}' is not the address of a bastion`, {
      hint: "write it as http://ADDRESS:PORT, for example http://10.0.0.1:8080",
    });
  }
  return `http://${url.host}`;
}

/** ISOLINUX reads ISO 9660 names of eight and three characters. */
export const isolinuxConfiguration = `DEFAULT labctl
PROMPT 0
LABEL labctl
  LINUX ipxe.krn
  INITRD boot.ipx
`;

/** 512-byte sectors of a FAT image with room for `bytes` of files, in whole MiB. */
export function fatSectors(bytes: number): number {
  const overhead = 512 * 1024;
  return Math.ceil((bytes + overhead) / (1024 * 1024)) * 2048;
}

/** Of every file on it (xorriso writes `YYYYMMDDhhmmsscc`): the same parts give the same bytes. */
const isoDate = "2020010100000000";

/** Where the parts lie below the folder that becomes the ISO. */
export const isoLayout = {
  loader: "isolinux/isolinux.bin",
  library: "isolinux/ldlinux.c32",
  configuration: "isolinux/isolinux.cfg",
  kernel: "isolinux/ipxe.krn",
  script: "isolinux/boot.ipx",
  efiImage: "boot/efi.img",
} as const;

/**
 * An ISO that BIOS and UEFI start from a CD drive (El Torito 1.0; platform 0xEF for UEFI 2.10, 13.3.2.1),
 * and from a stick it was copied to byte by byte (a partition table over the same bytes).
 */
export function isoArguments(folder: string, mbr: string, output: string): string[] {
  return [
    ...["xorriso", "-as", "mkisofs", "-quiet", "-output", output, "-volid", "LABCTL", "-iso-level", "3"],
    ...["-eltorito-boot", isoLayout.loader, "-eltorito-catalog", "isolinux/boot.cat"],
    ...["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"],
    ...["-eltorito-alt-boot", "-e", isoLayout.efiImage, "-no-emul-boot"],
    ...["--set_all_file_dates", isoDate, "-isohybrid-mbr", mbr, "-isohybrid-gpt-basdat", folder],
  ];
}
