/** Clocks this close, in milliseconds, are not worth a word. */
const tolerated = 2 * 60_000;

/** Why labd's certificate is refused by this host's clock, in words; `theirs` is labd's own, where it is known. */
export function describeRefusedCertificate(
  expired: boolean,
  ours: number,
  theirs: number | undefined,
): string {
  const difference = theirs === undefined ? undefined : describeClockDifference(ours - theirs, "labd's");
  return [
    `labd's certificate ${expired ? "has ended" : "is not valid yet"} by this host's clock`,
    ...(difference === undefined ? [] : [`which is ${difference}`]),
  ].join(", ");
}

/** `3 h ahead of ours`, `2 d behind ours`; `undefined` when the difference does not matter. */
export function describeClockDifference(ahead: number, whose: string): string | undefined {
  const seconds = Math.round(Math.abs(ahead) / 1000);
  if (seconds * 1000 < tolerated) return undefined;
  const [size, unit] =
    seconds < 2 * 3600 ? [60, "min"] : seconds < 2 * 86_400 ? [3600, "h"] : ([86_400, "d"] as const);
  return `${Math.round(seconds / size)} ${unit} ${ahead > 0 ? "ahead of" : "behind"} ${whose}`;
}
