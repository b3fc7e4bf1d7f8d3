import { AppError } from "../platform/errors.ts";
import type { Authority } from "./authority.ts";
import type { Directory } from "./directory.ts";
import { type Role, seededRoles } from "./permissions.ts";
import { anonymous, type Principal } from "./principal.ts";
import type { TokenService } from "./token-service.ts";

/** What a request brings to prove who it comes from. */
export interface Proof {
  certificate?: string;
  /** The user of this host at the other end of the Unix socket. */
  localUser?: string;
  bearer?: string;
  cookie?: string;
}

/** Finds out who asks. A proof that does not hold is an error, never a fall back to somebody lesser. */
export type Identify = (proof: Proof) => Promise<Principal>;

const roleNamed = (name: string): readonly Role[] => seededRoles.filter((role) => role.name === name);
/** What an agent may ask of labd besides its stream. */
const agentRole: Role = {
  name: "agent",
  summary: "an enrolled host",
  grants: [{ effect: "allow", permission: "agent:connect" }],
};

export function createIdentify(authority: Authority, directory: Directory, tokens: TokenService): Identify {
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
    return { kind: "agent", name: `agent/${name}`, session, roles: [agentRole] };
  }

  async function byToken(kind: "api" | "session", text: string): Promise<Principal> {
    const token = await tokens.recognise(kind, text);
    if (token === undefined)
      throw new AppError("unauthenticated", "your token or session is not accepted (any more)");
    const session = `token/${token.id}`;
    if (kind === "api")
      return { kind: "token", name: session, session, roles: await directory.rolesOf("token", token.id) };
    if (token.subject.startsWith("local/"))
      return { kind: "local", name: token.subject, session, roles: roleNamed("admin") };
    return {
      kind: "user",
      name: `user/${token.subject}`,
      session,
      roles: await directory.rolesOf("user", token.subject),
    };
  }

  return async ({ certificate, localUser, bearer, cookie }) => {
    // The socket's mode lets in root and the group `labctl`: both administrate this host.
    if (localUser !== undefined)
      return { kind: "local", name: `local/${localUser}`, roles: roleNamed("admin") };
    if (bearer !== undefined) return byToken("api", bearer);
    if (certificate !== undefined) return byCertificate(certificate);
    if (cookie !== undefined) return byToken("session", cookie);
    return anonymous;
  };
}
