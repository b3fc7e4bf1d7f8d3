import type { Clock } from "../platform/clock.ts";
import type { Store } from "../store/database.ts";
import type { Authority } from "./authority.ts";
import { createSigningRequest, renewalDue, validityOf } from "./certificates.ts";

export interface ServerIdentity {
  keyPem: string;
  /** The certificate, then what leads from it to older roots. */
  certificatePem: string;
  /** Whose client certificates are accepted. */
  authoritiesPem: string;
}

/** labd's own certificate: a new key and certificate each time, and the ones before are taken back. */
export interface ServerCertificate {
  issue(): Promise<ServerIdentity>;
  /** When the last one ends, in milliseconds since the epoch. */
  endsAt(): number;
  /** A third of the last one's life is left, or less. */
  due(): boolean;
}

export function createServerCertificate(
  store: Store,
  authority: Authority,
  clock: Clock,
  addresses: readonly string[],
): ServerCertificate {
  let last = "";
  return {
    async issue() {
      const { keyPem, csrPem } = await createSigningRequest("labd");
      const issued = await store.transaction(async (tx) => {
        const leaf = await authority.issue(tx, csrPem, { holder: "server", name: "labd", addresses });
        await authority.supersede(tx, "server", "labd", leaf.fingerprint);
        return leaf;
      });
      last = issued.pem;
      return {
        keyPem,
        certificatePem: `${issued.pem.trim()}\n${authority.chain()}`.trim(),
        authoritiesPem: authority.bundle(),
      };
    },
    endsAt: () => validityOf(last).notAfter,
    due: () => renewalDue(last, clock.now()),
  };
}
