import type { Mac } from "../platform/mac.ts";
import { macToBytes } from "../platform/mac.ts";
import { ipxeFeature } from "../protocols/dhcp4/option-ipxe.ts";
import type { DhcpOptions } from "../protocols/dhcp4/options.ts";
import type { OptionList } from "../protocols/tftp/packet.ts";

export const firmwareNames = ["bios", "uefi", "uefi-http", "ipxe", "arm64"] as const;
export type FirmwareName = (typeof firmwareNames)[number];

/** How a client that is in the machine before any of ours behaves; drawn from recordings of real firmware. */
export interface Profile {
  title: string;
  /** Sends `HTTPClient` and takes no offer without a URL. */
  http: boolean;
  /** Asks to be answered by broadcast. */
  broadcast: boolean;
  /** Milliseconds waited for offers after each DISCOVER; as many DISCOVERs as there are entries. */
  discoverWaits: readonly number[];
  /** Offers are gathered this long; `undefined`: until the wait is over, as EDK2 does. */
  gatherMs: number | undefined;
  /** Milliseconds waited for each answer to a REQUEST, on 67 and on 4011. */
  requestWaits: readonly number[];
  /** The port requests to a boot server's 4011 come from. */
  binlPort: 68 | 4011;
  tftp: TftpHabit;
  /** iPXE's `${platform}` and `${buildarch}` once it runs on this machine. */
  ipxe: { platform: "pcbios" | "efi"; arch: "i386" | "x86_64" | "arm64" };
  options(mac: Mac): DhcpOptions;
}

export interface TftpHabit {
  /** Options of the request that only asks for the size and is then dropped; `undefined`: there is none. */
  probe: OptionList | undefined;
  get: OptionList;
  /** Milliseconds waited for each answer, the last for all that follow. */
  waits: readonly number[];
  tries: number;
}

/** PXE 2.1 §2.3: 4, 8, 16 and 32 seconds. */
const pxeWaits = [4000, 8000, 16_000, 32_000];
/** What a spanning tree delays the first answer by is part of every start, so no wait is shortened. */
const ipxeWaits = [1000, 2000, 4000, 8000];

/** EDK2 asks for the size, drops that transfer, and asks anew in windows of four. */
const edk2Tftp: TftpHabit = {
  probe: [
    ["tsize", "0"],
    ["blksize", "1468"],
    ["windowsize", "4"],
  ],
  get: [
    ["tsize", "0"],
    ["blksize", "1468"],
    ["windowsize", "4"],
  ],
  waits: [4000],
  tries: 6,
};
const romTftp: TftpHabit = {
  probe: [["tsize", "0"]],
  get: [["blksize", "1456"]],
  waits: [1000, 2000, 4000],
  tries: 6,
};
const ipxeTftp: TftpHabit = {
  probe: undefined,
  get: [
    ["blksize", "1432"],
    ["tsize", "0"],
  ],
  waits: [250, 500, 1000, 2000, 4000, 8000],
  tries: 7,
};

const romRequests = [
  1, 2, 3, 5, 6, 11, 12, 13, 16, 17, 18, 43, 54, 60, 67, 128, 129, 130, 131, 132, 133, 134, 135,
];
const edk2Requests = [
  1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97, 128,
  129, 130, 131, 132, 133, 134, 135,
];
const ipxeRequests = [
  1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175, 203,
];

/** Option 97 with a UUID that ends in the MAC, as virtual machines' do. */
const machineId = (mac: Mac) =>
  Uint8Array.of(0, 0x6c, 0x61, 0x62, 0x63, 0x74, 0x6c, 0x40, 0, 0x80, 0, ...macToBytes(mac));

function edk2(arch: 7 | 11 | 16, ipxeArch: "x86_64" | "arm64"): Omit<Profile, "title"> {
  const http = arch === 16;
  const vendorClass = `${http ? "HTTP" : "PXE"}Client:Arch:${String(arch).padStart(5, "0")}:UNDI:003000`;
  return {
    http,
    broadcast: true,
    discoverWaits: pxeWaits,
    gatherMs: undefined,
    requestWaits: [4000, 8000],
    binlPort: 4011,
    tftp: edk2Tftp,
    ipxe: { platform: "efi", arch: ipxeArch },
    options: (mac) => ({
      clientMachineId: machineId(mac),
      vendorClass,
      maxMessageSize: 1472,
      clientArch: [arch],
      clientInterface: { type: 1, major: 3, minor: 0 },
      parameterRequestList: edk2Requests,
    }),
  };
}

export const profiles: Readonly<Record<Exclude<FirmwareName, "ipxe">, Profile>> = {
  bios: {
    title: "BIOS PXE",
    http: false,
    broadcast: false,
    discoverWaits: pxeWaits,
    gatherMs: 2000,
    requestWaits: [4000, 8000],
    binlPort: 68,
    tftp: romTftp,
    ipxe: { platform: "pcbios", arch: "i386" },
    options: (mac) => ({
      clientMachineId: machineId(mac),
      vendorClass: "PXEClient:Arch:00000:UNDI:002001",
      maxMessageSize: 1472,
      clientArch: [0],
      clientInterface: { type: 1, major: 2, minor: 1 },
      clientIdentifier: Uint8Array.of(1, ...macToBytes(mac)),
      parameterRequestList: romRequests,
    }),
  },
  uefi: { title: "UEFI PXE (x86-64)", ...edk2(7, "x86_64") },
  "uefi-http": { title: "UEFI HTTP Boot (x86-64)", ...edk2(16, "x86_64") },
  arm64: { title: "UEFI PXE (arm64)", ...edk2(11, "arm64") },
};

/** iPXE on the same machine: what the first loader was fetched for, or what the card's ROM is. */
export function ipxeOn(firmware: Profile): Profile {
  const { ipxe } = firmware;
  const efi = ipxe.platform === "efi";
  const arch = efi ? (ipxe.arch === "arm64" ? 11 : 7) : 0;
  const features = [
    ipxeFeature.http,
    ipxeFeature.tftp,
    ...(efi ? [ipxeFeature.efi] : [ipxeFeature.bzimage]),
    17, // iSCSI
    39, // VLAN
    41, // menus
  ];
  return {
    title: `iPXE (${efi ? "UEFI" : "BIOS"})`,
    http: false,
    broadcast: false,
    discoverWaits: ipxeWaits,
    gatherMs: 2000,
    requestWaits: ipxeWaits,
    binlPort: 68,
    tftp: ipxeTftp,
    ipxe,
    options: (mac) => ({
      clientMachineId: machineId(mac),
      vendorClass: `PXEClient:Arch:${String(arch).padStart(5, "0")}:UNDI:${efi ? "003010" : "002001"}`,
      maxMessageSize: 1472,
      clientArch: [arch],
      clientInterface: efi ? { type: 1, major: 3, minor: 10 } : { type: 1, major: 2, minor: 1 },
      clientIdentifier: Uint8Array.of(1, ...macToBytes(mac)),
      ipxe: { features: new Map(features.map((code) => [code, 1])) },
      parameterRequestList: ipxeRequests,
      // Rule 7: the raw bytes, without RFC 3004's lengths.
      other: new Map([[77, Uint8Array.of(0x69, 0x50, 0x58, 0x45)]]),
    }),
  };
}

/** The client a machine starts with. */
export const firmwareProfile = (name: FirmwareName): Profile =>
  name === "ipxe" ? ipxeOn(profiles.bios) : profiles[name];
