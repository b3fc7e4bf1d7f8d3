import type { Role } from "./permissions.ts";

/** Who asks, once proven: by certificate, token, cookie, or by being on this host. */
export interface Principal {
  /** `user/alice`, `agent/node1`, `bastion/rack1`, `token/ci`, `local/root`, or `anonymous`. */
  name: string;
  kind: "user" | "agent" | "bastion" | "token" | "local" | "anonymous";
  roles: readonly Role[];
  /** The certificate's fingerprint or the token's id: what a revocation names. */
  session?: string;
}

export const anonymous: Principal = { name: "anonymous", kind: "anonymous", roles: [] };

/** A principal within one request: what the audit says of it. */
export interface Actor {
  principal: Principal;
  /** Address the request came from; empty on the Unix socket. */
  from: string;
  requestId: string;
  /** Milliseconds since the epoch. */
  startedAt: number;
}
