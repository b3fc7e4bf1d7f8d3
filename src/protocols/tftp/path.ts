export type NormalisedPath = { kind: "path"; path: string } | { kind: "ignore"; reason: string };

/** Longer than any path a boot loader derives. */
const maxLength = 255;

/**
 * A requested file name as a path relative to the root, `a/b/c`. Some firmware writes `\`, some a leading
 * slash or two; `..` may move inside the root and never out of it.
 */
export function normalisePath(filename: string): NormalisedPath {
  if (filename.length > maxLength) return { kind: "ignore", reason: "file name too long" };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u001f\u007f]/.test(filename)) {
    return { kind: "ignore", reason: "control characters in the file name" };
  }
  const parts: string[] = [];
  for (const part of filename.replaceAll("\\", "/").split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return { kind: "ignore", reason: "path leaves the root" };
  }
  if (parts.length === 0) return { kind: "ignore", reason: "path names no file" };
  return { kind: "path", path: parts.join("/") };
}
