import { z } from "zod";
import type { Actor, AuditLog, Authority, JoinScope, TokenService } from "../access/service.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import type { Store } from "../store/database.ts";
import type { Hub } from "./hub.ts";
import { addHistory, labelsOf, removeServer, type ServerRecord, saveServer } from "./server-repository.ts";

/** What an enrolled host may be called. */
export const serverName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/, "must be a host name in lower case");

export interface EnrolRequest {
  token: string;
  csr: string;
  hostname: string;
  macs: string[];
  agentVersion: string;
  address: string;
}

export interface Enrolled {
  name: string;
  certificate: string;
  authorities: string;
}

/** How hosts join and leave, and the certificates they do it by. */
export interface Enrolment {
  /** Uses the token and certifies the host's key, in one transaction. @throws `unauthenticated`, `conflict`, `invalid`. */
  enrol(actor: Actor, request: EnrolRequest): Promise<Enrolled>;
  /** A new certificate for a host that has one. */
  renew(actor: Actor, name: string, csr: string): Promise<Enrolled>;
  /**
   * The host has this certificate on disk: those before it are taken back.
   * @throws `unauthenticated` when it is not a good one of this host.
   */
  confirm(name: string, fingerprint: string): Promise<void>;
  /** Takes its certificates back and closes its connection. */
  revoke(actor: Actor, name: string, because: string): Promise<void>;
  /** As `revoke`, and forgets the host. */
  remove(actor: Actor, name: string): Promise<void>;
}

export interface EnrolmentDeps {
  store: Store;
  clock: Clock;
  audit: AuditLog;
  authority: Authority;
  tokens: TokenService;
  hub: Hub;
  records: Map<string, ServerRecord>;
  /** @throws `not-found`. */
  find(name: string): ServerRecord;
}

export function createEnrolment(deps: EnrolmentDeps): Enrolment {
  const { store, clock, audit, authority, tokens, hub, records, find } = deps;

  async function takeBack(actor: Actor, name: string, because: string, forget: boolean): Promise<void> {
    find(name);
    const fingerprints = await store.transaction(async (tx) => {
      const revoked = await authority.revoke(tx, "agent", name, because);
      if (forget) await removeServer(tx, name);
      else await addHistory(tx, name, clock.now(), [`its certificates were revoked: ${because}`]);
      await audit.append(tx, actor, {
        action: forget ? "servers:delete" : "agents:revoke",
        resource: `server/${name}`,
        detail: because,
      });
      return revoked;
    });
    hub.cut(new Set(fingerprints), `its certificate was revoked: ${because}`);
    if (forget) records.delete(name);
  }

  return {
    async enrol(actor, request) {
      const join = store.transaction(async (tx) => {
        const token = await tokens.use(tx, "join", request.token);
        const { scope } = token;
        if (scope.as === "bastion") {
          throw new AppError("unauthenticated", "this token lets in a bastion, not a host", {
            hint: "labctl bastion join uses it; labctl token create makes one for hosts",
          });
        }
        if (scope.mac !== undefined && !request.macs.includes(scope.mac)) {
          throw new AppError("unauthenticated", "this token is for another machine", {
            hint: `it is bound to ${scope.mac}; this host has ${request.macs.join(", ").slice(0, 200)}`,
          });
        }
        const name = nameFor(scope, request.hostname);
        // As the transaction sees it: another that took the name may be of the same commit.
        const before = await labelsOf(tx, name);
        // A token that names the host may replace it: that is a reinstall. Any other may not take a name that is in use.
        if (before !== undefined && scope.name === undefined) {
          throw new AppError("conflict", `there is a server '${name}' already`, {
            hint: `labctl agent remove ${name}, or make a join token with --name ${name}`,
          });
        }
        const replaced = await authority.revoke(tx, "agent", name, "the host enrolled again");
        const issued = await authority.issue(tx, request.csr, { holder: "agent", name });
        const record: ServerRecord = {
          name,
          labels: { ...before, ...scope.labels },
          macs: request.macs,
          enrolledAt: clock.now(),
          agentVersion: request.agentVersion,
          address: request.address,
        };
        await saveServer(tx, record);
        const how = `enrolled${before === undefined ? "" : " again"} with token/${token.id} from ${request.address}`;
        await addHistory(tx, name, clock.now(), [how]);
        await audit.append(tx, actor, {
          action: "agents:enrol",
          resource: `server/${name}`,
          detail: `token/${token.id}`,
        });
        return { record, issued, replaced };
      });
      const { record, issued, replaced } = await join.catch(async (error: unknown) => {
        const resource = `server/${request.hostname}`;
        await audit.record(actor, {
          action: "agents:enrol",
          resource,
          result: "refused",
          detail: toAppError(error).message,
        });
        throw error;
      });
      records.set(record.name, record);
      hub.cut(new Set(replaced), "the host enrolled again");
      return { name: record.name, certificate: issued.pem, authorities: authority.bundle() };
    },
    async renew(actor, name, csr) {
      find(name);
      const issued = await store.transaction(async (tx) => {
        const certificate = await authority.issue(tx, csr, { holder: "agent", name });
        await audit.append(tx, actor, { action: "agents:renew", resource: `server/${name}` });
        return certificate;
      });
      return { name, certificate: issued.pem, authorities: authority.bundle() };
    },
    async confirm(name, fingerprint) {
      const verdict = await authority.judge(fingerprint);
      if (!verdict.trusted || verdict.holder !== "agent" || verdict.name !== name) {
        throw new AppError("unauthenticated", "this is not a good certificate of this host");
      }
      const others = (await authority.certificatesOf("agent", name)).filter(
        (each) => each.revokedAt === null && each.fingerprint !== fingerprint,
      );
      if (others.length > 0)
        await store.transaction((tx) => authority.supersede(tx, "agent", name, fingerprint));
    },
    revoke: (actor, name, because) => takeBack(actor, name, because, false),
    remove: (actor, name) => takeBack(actor, name, "the server was removed", true),
  };
}

function nameFor(scope: JoinScope, hostname: string): string {
  const name = serverName.safeParse(scope.name ?? hostname.toLowerCase());
  if (name.success) return name.data;
  throw new AppError(
    "invalid",
    `'${hostname.slice(0, 80)}' cannot be a server's name: it ${name.error.issues[0]?.message}`,
    {
      hint: "set the host's name, or make a join token with --name",
    },
  );
}
