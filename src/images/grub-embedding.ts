import { AppError } from "../platform/errors.ts";

// How GRUB's parts find each other on a BIOS machine (GRUB's boot.S and diskboot.S, include/grub/i386/pc/boot.h).

const sectorBytes = 512;
/** boot.img: the sector its next stage begins at, 8 bytes. */
const kernelSectorAt = 0x5c;
/** boot.img: a jump that only matters on floppies; firmwares that name the wrong drive need it gone. */
const driveCheckAt = 0x66;
/** The first sector of core.img: its list of what to load ends the sector; the one entry begins with a sector. */
const blockListAt = sectorBytes - 12;
/** Of boot.img, what comes before the partition table. */
const bootCodeBytes = 440;

export interface Embedded {
  /** For the first sector of the disk; the partition table stays. */
  bootCode: Uint8Array;
  /** For the BIOS boot partition. */
  core: Uint8Array;
}

/** Ties `boot` (boot.img) to `core` (core.img), which will stand at `sector` of the disk, `room` bytes at most. */
export function embedGrub(boot: Uint8Array, core: Uint8Array, sector: number, room: number): Embedded {
  if (boot.length !== sectorBytes || core.length < 2 * sectorBytes) {
    throw new AppError("failed", "GRUB's boot images are not what they should be");
  }
  if (core.length > room) {
    throw new AppError("failed", `GRUB's core image is ${core.length} bytes, its partition ${room}`);
  }
  const ownBoot = Uint8Array.from(boot);
  const ownCore = Uint8Array.from(core);
  const bootView = new DataView(ownBoot.buffer);
  bootView.setBigUint64(kernelSectorAt, BigInt(sector), true);
  // Two NOPs.
  bootView.setUint16(driveCheckAt, 0x9090, true);
  new DataView(ownCore.buffer).setBigUint64(blockListAt, BigInt(sector + 1), true);
  return { bootCode: ownBoot.subarray(0, bootCodeBytes), core: ownCore };
}
