import grubX64 from "../../ipxe/grubx64.efi" with { type: "file" };
import ipxeX64 from "../../ipxe/ipxe.efi" with { type: "file" };
import ipxeLkrn from "../../ipxe/ipxe.lkrn" with { type: "file" };
import ipxeArm64 from "../../ipxe/ipxe-arm64.efi" with { type: "file" };
import mokManagerX64 from "../../ipxe/mmx64.efi" with { type: "file" };
import shimX64 from "../../ipxe/shimx64.efi" with { type: "file" };
import snponlyX64 from "../../ipxe/snponly.efi" with { type: "file" };
import undionly from "../../ipxe/undionly.kpxe" with { type: "file" };

/** Every network boot program by the name machines ask for; a test holds the list against `ipxe/`. */
const embedded = {
  "undionly.kpxe": undionly,
  "ipxe.lkrn": ipxeLkrn,
  "ipxe.efi": ipxeX64,
  "snponly.efi": snponlyX64,
  "ipxe-arm64.efi": ipxeArm64,
  "shimx64.efi": shimX64,
  "mmx64.efi": mokManagerX64,
  "grubx64.efi": grubX64,
} as const;

export type BootProgramName = keyof typeof embedded;

export interface BootPrograms {
  readonly names: readonly BootProgramName[];
  /** The program's bytes, shared by all who ask: never write to them. `undefined`: there is none of that name. */
  read(name: string): Promise<Uint8Array> | undefined;
}

/** The programs inside the executable; one is held in memory from when it is first asked for. */
export function createBootPrograms(): BootPrograms {
  const paths = new Map<string, string>(Object.entries(embedded));
  const held = new Map<string, Promise<Uint8Array>>();
  return {
    // checked: the keys of a constant object are the names it was written with
    names: Object.keys(embedded) as BootProgramName[],
    read(name) {
      const path = paths.get(name);
      if (path === undefined) return undefined;
      const bytes = held.get(name) ?? Bun.file(path).bytes();
      held.set(name, bytes);
      return bytes;
    },
  };
}
