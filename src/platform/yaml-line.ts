/** A line that is neither empty nor a comment. */
interface Line {
  text: string;
  /** From 1. */
  number: number;
}

const written = (text: string): Line[] =>
  text
    .split("\n")
    .map((line, index) => ({ text: line, number: index + 1 }))
    .filter((line) => /^\s*[^\s#]/.test(line.text));

const indent = ({ text }: Line) => text.search(/\S/);
const isItem = ({ text }: Line) => /^\s*-(\s|$)/.test(text);
const keyOf = ({ text }: Line) => /^\s*(["']?)(.+?)\1\s*:(\s|$)/.exec(text)?.[2];

/** The line the value at `path` begins on; of what stands in brackets or is absent, the line of what holds it. */
export function lineOf(text: string, path: readonly PropertyKey[]): number | undefined {
  let within = written(text);
  let found: number | undefined;
  for (const part of path) {
    const column = within[0] === undefined ? 0 : indent(within[0]);
    const children = within.filter((line) => indent(line) === column);
    const child =
      typeof part === "number"
        ? children.filter(isItem)[part]
        : children.find((line) => keyOf(line) === String(part));
    if (child === undefined) return found;
    found = child.number;
    const after = within.slice(within.indexOf(child) + 1);
    // A key's list may begin in the key's own column.
    const belongs = (line: Line) =>
      indent(line) > column || (indent(line) === column && isItem(line) && !isItem(child));
    const end = after.findIndex((line) => !belongs(line));
    const inside = end === -1 ? after : after.slice(0, end);
    const first = typeof part === "number" ? child.text.replace("-", " ") : "";
    within = first.trim() === "" ? inside : [{ ...child, text: first }, ...inside];
  }
  return found;
}

/**
 * How many lines of a text that does not parse do so by themselves, with the next no more: the fault is seen after
 * them. Programs that parse YAML tell no place.
 */
export function linesThatParse(text: string, parses: (text: string) => boolean): number {
  const lines = text.split("\n");
  let parsed = 0;
  let failed = lines.length;
  while (failed - parsed > 1) {
    const middle = Math.floor((parsed + failed) / 2);
    if (parses(lines.slice(0, middle).join("\n"))) parsed = middle;
    else failed = middle;
  }
  return parsed;
}
