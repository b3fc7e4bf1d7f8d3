/** Debian's `Release` file of a suite (Debian repository format), as far as it is looked at. */
export interface ArchiveRelease {
  codename: string | undefined;
  /** SHA-256 by path, relative to the file itself. */
  sums: ReadonlyMap<string, string>;
}

export function parseRelease(text: string): ArchiveRelease {
  const sums = new Map<string, string>();
  let codename: string | undefined;
  let inSums = false;
  for (const line of text.split("\n")) {
    if (!line.startsWith(" ")) {
      inSums = line.startsWith("SHA256:");
      codename ??= /^Codename: *(\S+)$/.exec(line)?.[1];
      continue;
    }
    const [, sum, path] = /^ ([0-9a-f]{64}) +\d+ (\S+)$/.exec(line) ?? [];
    if (inSums && sum !== undefined && path !== undefined) sums.set(path, sum);
  }
  return { codename, sums };
}

export type SignatureJudgement = { kind: "good" } | { kind: "refused"; reason: string };

/**
 * What gpgv(1) wrote to its `--status-fd` (GnuPG's doc/DETAILS). An archive signs with several keys, of which a
 * keyring may know some: one good signature is enough, one bad one is too much.
 */
export function judgeSignature(status: string): SignatureJudgement {
  const lines = [...status.matchAll(/^\[GNUPG:\] (\w+)(?: (.*))?$/gm)].map(([, word = "", rest = ""]) => ({
    word,
    rest,
  }));
  const find = (...words: string[]) => lines.find(({ word }) => words.includes(word));
  const bad = find("BADSIG");
  if (bad) return { kind: "refused", reason: `the signature is not one of this text (key ${bad.rest})` };
  if (find("GOODSIG")) return { kind: "good" };
  const old = find("EXPKEYSIG", "EXPSIG", "REVKEYSIG");
  if (old) return { kind: "refused", reason: `the key has expired or was revoked (${old.rest})` };
  const unknown = find("NO_PUBKEY");
  if (unknown)
    return {
      kind: "refused",
      reason: `it was signed with the key ${unknown.rest}, which the keyring does not have`,
    };
  return { kind: "refused", reason: "there is no signature in it" };
}
