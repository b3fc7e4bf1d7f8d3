import type { BootClient } from "./classify.ts";

/** How UEFI machines are started: iPXE with its own drivers, iPXE on the firmware's, or shim and GRUB (Secure Boot). */
export type BootProgram = "ipxe" | "snponly" | "grub";

export interface NbpSettings {
  /** Our address on the interface, dotted: URLs need no DNS then. */
  server: string;
  httpPort: number;
  program: BootProgram;
}

/** The network boot program: a TFTP name or a URL. `undefined`: there is none for this client. */
export type NbpPolicy = (client: BootClient, settings: NbpSettings) => string | undefined;

const x64Programs: Record<BootProgram, string> = {
  ipxe: "ipxe.efi",
  snponly: "snponly.efi",
  grub: "shimx64.efi",
};

export const decideNbp: NbpPolicy = (client, settings) => {
  const http = `http://${settings.server}:${settings.httpPort}`;
  if (client.kind === "plain") return undefined;
  if (client.kind === "ipxe" && client.speaksHttp) return `${http}/boot.ipxe`;
  const program = programFor(client, settings.program);
  // EDK2 follows no redirect: one slash, the name, nothing to normalise.
  return program !== undefined && client.kind === "http" ? `${http}/boot/${program}` : program;
};

function programFor(client: BootClient, program: BootProgram): string | undefined {
  // An iPXE that was built without HTTP gets ours, whatever started it.
  const wanted = client.kind === "ipxe" ? "ipxe" : program;
  if (client.platform === "bios") return "undionly.kpxe";
  if (client.platform === "uefi-x64") return x64Programs[wanted];
  if (client.platform === "uefi-arm64") return "ipxe-arm64.efi";
  return undefined;
}
