/** `folder/` for all below it, otherwise a path in which `*` stands for anything. */
export function pathMatches(path: string, pattern: string): boolean {
  if (pattern.endsWith("/")) return path.startsWith(pattern);
  const [head = "", ...rest] = pattern.split("*");
  if (rest.length === 0) return path === pattern;
  const tail = rest.join("*");
  return path.startsWith(head) && path.endsWith(tail) && path.length >= head.length + tail.length;
}
