import { readDuration } from "../platform/duration.ts";
import { AppError } from "../platform/errors.ts";

/** `-1h` or `1h` is that long ago; anything else is a date, in local time where it says no other. */
export function readMoment(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ago = readDuration(text.replace(/^-/, ""));
  const at = ago === undefined ? Date.parse(text) : Date.now() - ago;
  if (!Number.isNaN(at)) return at;
  throw new AppError("usage", `${flag} '${text}' is no time`, { hint: "such as -1h, or '2026-01-31 12:00'" });
}
