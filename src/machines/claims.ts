import type { Mac } from "../platform/mac.ts";

/** An install that fetched its data, and so may report. */
export interface Claim {
  mac: Mac;
  installId: string;
}

/** Who may report, by the hash of its token; in memory because each batch of lines asks. */
export interface Claims {
  find(hash: string): Claim | undefined;
  /** A machine has one: the one it had before ends. */
  add(hash: string, claim: Claim): void;
  end(mac: Mac): void;
}

/** Grows no larger than the number of machines. */
export function createClaims(initial: Iterable<Claim & { hash: string }>): Claims {
  const byHash = new Map<string, Claim>();
  const hashes = new Map<Mac, string>();
  const end = (mac: Mac) => {
    byHash.delete(hashes.get(mac) ?? "");
    hashes.delete(mac);
  };
  const add = (hash: string, { mac, installId }: Claim) => {
    end(mac);
    byHash.set(hash, { mac, installId });
    hashes.set(mac, hash);
  };
  for (const { hash, ...claim } of initial) add(hash, claim);
  return { find: (hash) => byHash.get(hash), add, end };
}
