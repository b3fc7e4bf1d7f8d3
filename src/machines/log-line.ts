/** A line as an installer sent it. */
export interface LogLine {
  seq: number;
  text: string;
  /** Which log it is of: `anaconda`, `syslog`; absent for the script's own words. */
  source?: string | undefined;
}

/** As it is kept: short, because there are millions. */
export type StoredLine = [seq: number, text: string, source?: string];

/** The most characters of a line that are kept. */
export const maxLineLength = 4096;

export const cutLine = (text: string): string =>
  text.length <= maxLineLength ? text : `${text.slice(0, maxLineLength)}… (${text.length} characters)`;

/** Terminal sequences (ECMA-48 CSI and OSC), which would colour or move what they are shown in. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
const sequences = /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g;
/** C0 without tab, DEL, C1, and what turns the direction of text around. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
const controls = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/** A quick look first: clean lines, nearly all of them, cost no copy. */
const suspicious = /[^\t\u0020-\u007e\u00a0-\u1fff\u2070-\u{10ffff}]/u;

/** A line as it may be shown anywhere: no control character survives. */
export function presentable(text: string): string {
  if (!suspicious.test(text)) return text;
  return text.replace(/\r+$/, "").replace(sequences, "").replace(controls, "\ufffd");
}

/** `text/plain`: a log line for each line of text, numbered upward from `first`; a last empty one is none. */
export function splitLines(text: string, first: number, source: string | undefined): LogLine[] {
  const parts = text.split("\n");
  if (parts.at(-1) === "") parts.pop();
  return parts.map((line, index) => ({
    seq: first + index,
    text: line.endsWith("\r") ? line.slice(0, -1) : line,
    ...(source === undefined ? {} : { source }),
  }));
}
