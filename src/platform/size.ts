/** Binary units, as memory is counted: `16 GiB`. */
export const formatMemory = (bytes: number | undefined) =>
  bytes === undefined ? undefined : `${Math.round((bytes / 2 ** 30) * 10) / 10} GiB`;

/** Decimal units, as disks are sold: `480 GB`. */
export function formatDisk(bytes: number | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  return bytes >= 1e12 ? `${Math.round(bytes / 1e11) / 10} TB` : `${Math.round(bytes / 1e8) / 10} GB`;
}
