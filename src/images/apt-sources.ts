/** Debian's main archive among apt's sources, one-line (`.list`) or deb822 (`.sources`) style. */
export function aptMirror(texts: readonly string[]): string | undefined {
  for (const text of texts) {
    const lines = text.split("\n").map((line) => line.trim());
    for (const line of lines) {
      const uri =
        /^URIs:\s*(https?:\/\/\S+)/i.exec(line)?.[1] ??
        /^deb\s+(?:\[[^\]]*\]\s+)?(https?:\/\/\S+)/.exec(line)?.[1];
      // The archive proper is `…/debian`; security and third parties have other ends.
      if (uri !== undefined && /\/debian\/?$/.test(uri)) return uri.replace(/\/$/, "");
    }
  }
  return undefined;
}
