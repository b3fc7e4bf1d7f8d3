import type { Mac } from "../platform/mac.ts";

/** An install that fetched its data, and so may report. */
export interface Claim {
  mac: Mac;
  installId: string;
}

/** Who may report, by the hash of its token; in memory because each batch of lines asks. */
export interface Claims {
  find(hash: string): Claim | undefined;
  add(hash: string, claim: Claim): void;
  endInstall(installId: string): void;
}

/** One install has one claimed token, so this grows no larger than the number of machines. */
export function createClaims(initial: Iterable<Claim & { hash: string }>): Claims {
  const byHash = new Map<string, Claim>();
  const hashes = new Map<string, string>();
  const add = (hash: string, { mac, installId }: Claim) => {
    byHash.set(hash, { mac, installId });
    hashes.set(installId, hash);
  };
  for (const { hash, ...claim } of initial) add(hash, claim);
  return {
    find: (hash) => byHash.get(hash),
    add,
    endInstall(installId) {
      const hash = hashes.get(installId);
      if (hash === undefined) return;
      hashes.delete(installId);
      byHash.delete(hash);
    },
  };
}
