import type { Mac } from "../platform/mac.ts";

/** What an installed system needs to join the fleet by itself on its first boot. */
export interface JoinOffer {
  /** labd's address as the machine reaches it: `10.0.0.1:8443`. */
  server: string;
  /** A join token for this machine alone. */
  token: string;
  /** URL path of the executable below the base URL, and its SHA-256. */
  executable: string;
  sha256: string;
}

/** Lets machines enrol; given where a control plane runs. */
export interface Enrolment {
  /** A fresh offer, good for one machine and one use; `undefined` where none can be had now: it will not join by itself. */
  offer(machine: {
    mac: Mac;
    name: string;
    role: string;
    arch: "x86_64" | "arm64";
    baseUrl: string;
  }): Promise<JoinOffer | undefined>;
  /** Of the same shape and no use: to check templates with. */
  readonly sample: JoinOffer;
}
