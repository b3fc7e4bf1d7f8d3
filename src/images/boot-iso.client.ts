import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../platform/errors.ts";
import {
  fatSectors,
  isoArguments,
  isoLayout,
  isolinuxConfiguration,
  renderIsoScript,
  type StaticNetwork,
} from "./boot-iso.ts";
import { runTool } from "./tool.client.ts";

export interface BootIso {
  /** How machines reach the bastion: `http://10.0.0.1:8080`. */
  bastionUrl: string;
  network?: StaticNetwork;
  output: string;
  /** The boot programs that go on it. */
  programs: { "ipxe.lkrn": Uint8Array; "ipxe.efi": Uint8Array; "ipxe-arm64.efi": Uint8Array };
}

/** Of Debian's packages isolinux and syslinux-common; other distributions keep them elsewhere. */
const loaders = {
  "isolinux.bin": ["/usr/lib/ISOLINUX/isolinux.bin", "/usr/share/syslinux/isolinux.bin"],
  "isohdpfx.bin": ["/usr/lib/ISOLINUX/isohdpfx.bin", "/usr/share/syslinux/isohdpfx.bin"],
  "ldlinux.c32": ["/usr/lib/syslinux/modules/bios/ldlinux.c32", "/usr/share/syslinux/ldlinux.c32"],
} as const;

/** Every date on it, so that the same parts give the same bytes; FAT knows none before 1980. */
const env = { SOURCE_DATE_EPOCH: "1577836800", TZ: "UTC" };
/** The Debian packages it takes. */
export const isoPackages = "xorriso isolinux syslinux-common mtools";

/**
 * Writes an ISO that starts BIOS and UEFI machines which cannot boot from the network, into the bastion's dispatch.
 * @throws `missing`, naming what to install; `invalid` for the URL or the network
 */
export async function buildBootIso(iso: BootIso): Promise<{ bytes: number }> {
  const script = renderIsoScript(iso.bastionUrl, iso.network);
  const [loader, mbr, library] = [find("isolinux.bin"), find("isohdpfx.bin"), find("ldlinux.c32")];
  const work = mkdtempSync(join(tmpdir(), "labctl-iso-"));
  try {
    const tree = join(work, "tree");
    for (const folder of ["isolinux", "boot"]) mkdirSync(join(tree, folder), { recursive: true });
    copyFileSync(loader, join(tree, isoLayout.loader));
    copyFileSync(library, join(tree, isoLayout.library));
    writeFileSync(join(tree, isoLayout.configuration), isolinuxConfiguration);
    writeFileSync(join(tree, isoLayout.kernel), iso.programs["ipxe.lkrn"]);
    writeFileSync(join(tree, isoLayout.script), script);
    await writeEfiImage(join(tree, isoLayout.efiImage), work, script, iso.programs);

    const part = `${iso.output}.part`;
    try {
      await runTool(isoArguments(tree, mbr, part), { package: isoPackages, env });
      renameSync(part, iso.output);
    } finally {
      rmSync(part, { force: true });
    }
    return { bytes: Bun.file(iso.output).size };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** UEFI starts `\EFI\BOOT\BOOT<arch>.EFI` (UEFI 2.10, 3.5.1.1); iPXE then reads `autoexec.ipxe` from where it came. */
async function writeEfiImage(
  image: string,
  work: string,
  script: string,
  programs: BootIso["programs"],
): Promise<void> {
  const files = {
    "EFI/BOOT/BOOTX64.EFI": programs["ipxe.efi"],
    "EFI/BOOT/BOOTAA64.EFI": programs["ipxe-arm64.efi"],
    "EFI/BOOT/autoexec.ipxe": new TextEncoder().encode(script),
    "autoexec.ipxe": new TextEncoder().encode(script),
  };
  const bytes = Object.values(files).reduce((sum, content) => sum + content.length, 0);
  const options = { package: isoPackages, env: { ...env, MTOOLS_SKIP_CHECK: "1" } };
  const geometry = ["-T", String(fatSectors(bytes)), "-h", "16", "-s", "32"];
  await runTool(["mformat", "-C", "-i", image, ...geometry, "-N", "4c414243", "-v", "LABCTL", "::"], options);
  await runTool(["mmd", "-i", image, "::EFI", "::EFI/BOOT"], options);
  for (const [path, content] of Object.entries(files)) {
    const source = join(work, "member");
    writeFileSync(source, content);
    await runTool(["mcopy", "-o", "-i", image, source, `::${path}`], options);
  }
}

function find(name: keyof typeof loaders): string {
  const path = loaders[name].find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new AppError("missing", `the boot loader '${name}' is not on this host`, {
      hint: `apt-get install ${isoPackages}`,
    });
  }
  return path;
}
