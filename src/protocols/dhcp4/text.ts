/**
 * Text of an option or a header field: one character a byte (the wire has no character set), up to the first NUL,
 * because some servers and ROMs end their strings with one and others do not.
 */
export function decodeText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end));
}

/** The reverse; a character past 255 cannot be written and becomes `?`. */
export function encodeText(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => {
    const code = char.charCodeAt(0);
    return code > 255 ? 63 : code;
  });
}

/** What a stranger wrote, fit for a terminal and a log: quoted, control characters escaped. */
export function quote(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is escaped
  return `"${text.replace(/["\\\u0000-\u001f\u007f-\uffff]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`)}"`;
}
