import { AppError } from "../platform/errors.ts";
import type { Authority } from "./authority.ts";
import type { Directory } from "./directory.ts";
import { type Role, seededRoles } from "./permissions.ts";
import { anonymous, type Principal } from "./principal.ts";
import type { Sessions } from "./session-service.ts";
import type { TokenService } from "./token-service.ts";

/** What a request brings to prove who it comes from. */
export interface Proof {
  certificate?: string;
  /** Why the certificate that was shown counts for nothing. */
  refused?: string;
  /** The user of this host at the other end of the Unix socket. */
  localUser?: string;
  bearer?: string;
  /** `attended`: a person opened a page, rather than a page's script asking again. */
  cookie?: { secret: string; attended: boolean };
}

/** Finds out who asks. A proof that does not hold is an error, never a fall back to somebody lesser. */
export type Identify = (proof: Proof) => Promise<Principal>;

/**
 * Who asks where there is no control plane: the socket's mode lets in root and the group `labctl`, and both
 * administrate this host.
 */
export const identifyLocal: Identify = async ({ localUser }) =>
  localUser === undefined
    ? anonymous
    : { kind: "local", name: `local/${localUser}`, roles: roleNamed("admin") };

const roleNamed = (name: string): readonly Role[] => seededRoles.filter((role) => role.name === name);
/** What an agent may ask of labd besides its stream. */
const agentRole: Role = {
  name: "agent",
  summary: "an enrolled host",
  grants: [{ effect: "allow", permission: "agent:connect" }],
};

/** What a bastion elsewhere may: tell of its machines, and have join tokens for them. */
const bastionRole: Role = {
  name: "bastion",
  summary: "an enrolled bastion",
  grants: [
    { effect: "allow", permission: "bastion:report" },
    { effect: "allow", permission: "bastion:mint" },
  ],
};

export function createIdentify(
  authority: Authority,
  directory: Directory,
  tokens: TokenService,
  sessions: Sessions,
): Identify {
  async function byCertificate(fingerprint: string): Promise<Principal> {
    const verdict = await authority.judge(fingerprint);
    if (!verdict.trusted) {
      throw new AppError("unauthenticated", `your certificate is not accepted: ${verdict.because}`, {
        hint: "labctl login SERVER",
      });
    }
    const { holder, name } = verdict;
    const session = `certificate/${fingerprint.slice(0, 16)}`;
    if (holder === "user")
      return { kind: "user", name: `user/${name}`, session, roles: await directory.rolesOf("user", name) };
    if (holder === "bastion")
      return { kind: "bastion", name: `bastion/${name}`, session, roles: [bastionRole] };
    return { kind: "agent", name: `agent/${name}`, session, roles: [agentRole] };
  }

  async function byToken(text: string): Promise<Principal> {
    const token = await tokens.recognise("api", text);
    if (token === undefined)
      throw new AppError("unauthenticated", "your token is not accepted (any more)", {
        hint: "labctl token list shows which are",
      });
    const session = `token/${token.id}`;
    return { kind: "token", name: session, session, roles: await directory.rolesOf("token", token.id) };
  }

  async function bySession({ secret, attended }: { secret: string; attended: boolean }): Promise<Principal> {
    const found = await sessions.recognise(secret, attended);
    if (found === undefined) {
      throw new AppError("unauthenticated", "your session has ended", {
        hint: "labctl ui opens another",
      });
    }
    const { id, subject } = found;
    const session = `web/${id}`;
    if (subject.startsWith("local/"))
      return { kind: "local", name: subject, session, roles: roleNamed("admin") };
    const roles = await directory.rolesOf("user", subject.slice("user/".length));
    return { kind: "user", name: subject, session, roles };
  }

  return async (proof) => {
    const { certificate, refused, localUser, bearer, cookie } = proof;
    if (localUser !== undefined) return identifyLocal(proof);
    if (bearer !== undefined) return byToken(bearer);
    if (certificate !== undefined) return byCertificate(certificate);
    if (refused !== undefined) throw new AppError("unauthenticated", refused);
    if (cookie !== undefined) return bySession(cookie);
    return anonymous;
  };
}
