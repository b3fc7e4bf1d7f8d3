import type { Mac } from "../platform/mac.ts";
import { ipxeFeature } from "../protocols/dhcp4/option-ipxe.ts";
import type { DhcpOptions } from "../protocols/dhcp4/options.ts";

/** What is speaking: a firmware's PXE stack, its HTTP Boot, iPXE, or somebody who only wants an address. */
export type ClientKind = "pxe" | "http" | "ipxe" | "plain";

/** What the machine can start. */
export type Platform = "bios" | "uefi-ia32" | "uefi-x64" | "uefi-arm64" | "raspberry-pi" | "unknown";

export interface BootClient {
  kind: ClientKind;
  platform: Platform;
  /** The code of option 93 the platform was drawn from. */
  arch?: number;
  /** False for an iPXE that lists its features and lacks HTTP: it needs ours first. */
  speaksHttp: boolean;
}

/** Option 93 (RFC 4578 §2.1, IANA "Processor Architecture Types"); 9 is EBC by the book, x64 in the field. */
const platforms: Readonly<Record<number, { platform: Platform; http?: true }>> = {
  0: { platform: "bios" },
  6: { platform: "uefi-ia32" },
  7: { platform: "uefi-x64" },
  9: { platform: "uefi-x64" },
  11: { platform: "uefi-arm64" },
  15: { platform: "uefi-ia32", http: true },
  16: { platform: "uefi-x64", http: true },
  19: { platform: "uefi-arm64", http: true },
  41: { platform: "raspberry-pi" },
};

/** Prefixes of the Raspberry Pi foundation and company: a Pi 5 may say arch 0, its MAC tells the truth. */
const raspberryPiOuis = ["28:cd:c1", "2c:cf:67", "88:a2:9e", "b8:27:eb", "d8:3a:dd", "dc:a6:32", "e4:5f:01"];

/** Who is asking, from the options of any of its messages. Option 94 is not needed. */
export function classify(mac: Mac, options: DhcpOptions): BootClient {
  const vendorClass = options.vendorClass ?? "";
  const arch = archOf(options, vendorClass);
  const known = arch === undefined ? undefined : platforms[arch];
  const isPi =
    known?.platform === "raspberry-pi" || (arch === 0 && raspberryPiOuis.includes(mac.slice(0, 8)));
  const kind = kindOf(options, vendorClass, known?.http === true);
  return {
    kind,
    // A PXE client that names no architecture is an old BIOS ROM.
    platform: isPi
      ? "raspberry-pi"
      : (known?.platform ?? (arch === undefined && kind === "pxe" ? "bios" : "unknown")),
    ...(arch !== undefined && { arch }),
    speaksHttp:
      kind === "http" || (kind === "ipxe" && (options.ipxe?.features?.has(ipxeFeature.http) ?? true)),
  };
}

/** The first code of option 93 that is known, or the one written into the vendor class: `PXEClient:Arch:00007:…`. */
function archOf(options: DhcpOptions, vendorClass: string): number | undefined {
  const listed = options.clientArch;
  if (listed && listed.length > 0) return listed.find((arch) => arch in platforms) ?? listed[0];
  const written = /^(?:PXE|HTTP)Client:Arch:(\d{5})/.exec(vendorClass)?.[1];
  return written === undefined ? undefined : Number(written);
}

function kindOf(options: DhcpOptions, vendorClass: string, httpArch: boolean): ClientKind {
  if (options.userClasses?.includes("iPXE") || options.ipxe) return "ipxe";
  if (vendorClass.startsWith("HTTPClient") || httpArch) return "http";
  if (vendorClass.startsWith("PXEClient") || options.clientArch) return "pxe";
  return "plain";
}
