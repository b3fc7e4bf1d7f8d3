/** What of a file is sent, RFC 9110 §13 and §14. */
export type Part =
  | { kind: "whole" }
  /** First and last byte, both included. */
  | { kind: "range"; first: number; last: number }
  | { kind: "unsatisfiable" }
  | { kind: "not-modified" };

export interface Conditions {
  range: string | undefined;
  ifRange: string | undefined;
  ifNoneMatch: string | undefined;
  ifModifiedSince: string | undefined;
}

/** `modified` in milliseconds since the epoch; absent for what has no time. */
export function decidePart(
  { range, ifRange, ifNoneMatch, ifModifiedSince }: Conditions,
  file: { size: number; etag: string; modified?: number | undefined },
): Part {
  if (ifNoneMatch !== undefined) {
    const tags = ifNoneMatch.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
    if (tags.includes(file.etag) || tags.includes("*")) return { kind: "not-modified" };
  } else if (ifModifiedSince !== undefined && file.modified !== undefined) {
    // Dates on the wire have whole seconds.
    if (Math.floor(file.modified / 1000) * 1000 <= Date.parse(ifModifiedSince))
      return { kind: "not-modified" };
  }
  if (range === undefined || (ifRange !== undefined && !stillThe(ifRange, file))) return { kind: "whole" };
  return readRange(range, file.size);
}

/** Several ranges, and what is no byte range at all, get the whole file, as the RFC allows. */
function readRange(range: string, size: number): Part {
  const found = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range.replaceAll(" ", ""));
  if (!found) return { kind: "whole" };
  const [, from = "", to = ""] = found;
  if (from === "" && to === "") return { kind: "whole" };
  if (from === "") {
    const length = Math.min(Number(to), size);
    return length === 0 ? { kind: "unsatisfiable" } : { kind: "range", first: size - length, last: size - 1 };
  }
  const first = Number(from);
  if (to !== "" && Number(to) < first) return { kind: "whole" };
  if (first >= size) return { kind: "unsatisfiable" };
  return { kind: "range", first, last: to === "" ? size - 1 : Math.min(Number(to), size - 1) };
}

function stillThe(ifRange: string, file: { etag: string; modified?: number | undefined }): boolean {
  if (ifRange.startsWith('"')) return ifRange === file.etag;
  return file.modified !== undefined && Math.floor(file.modified / 1000) * 1000 === Date.parse(ifRange);
}
