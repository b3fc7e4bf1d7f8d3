import { decodeText, encodeText } from "./text.ts";

/**
 * Option 77. RFC 3004 §4 wants each class preceded by its length; iPXE sends the four raw bytes `iPXE`, and so do
 * other ROMs with names of their own. What does not divide into lengths is therefore one raw class.
 */
export function decodeUserClass(bytes: Uint8Array): string[] | undefined {
  if (bytes.length === 0) return undefined;
  const classes: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = bytes[at] ?? 0;
    if (length === 0 || at + 1 + length > bytes.length) return [decodeText(bytes)];
    classes.push(decodeText(bytes.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  return classes;
}

export function encodeUserClass(classes: string[]): Uint8Array {
  return Uint8Array.from(
    classes.flatMap((name) => {
      const bytes = encodeText(name).subarray(0, 255);
      return [bytes.length, ...bytes];
    }),
  );
}
