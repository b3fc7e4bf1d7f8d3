// What other rooms use of this one.
export type { AuditEntry, AuditRecord } from "./audit-chain.ts";
export type { AuditLog, Deed } from "./audit-log.ts";
export type { Authority, AuthorityView, Verdict } from "./authority.ts";
export { createSigningRequest, isSignedBy, renewalDue } from "./certificates.ts";
export type { DeviceLogins, DeviceRequest } from "./device-login-service.ts";
export type { Directory, UserView } from "./directory.ts";
export { type Identify, identifyLocal, type Proof } from "./identity.ts";
export { decideAccess, type Labels, mayForSome, type Permission, type Role } from "./permissions.ts";
export { type Actor, anonymous, type Principal } from "./principal.ts";
export type { RootRotation, RootStanding } from "./root-rotation.ts";
export { parseSelector, selects } from "./selector.ts";
export type { Sessions, SessionView } from "./session-service.ts";
export type { JoinScope, TokenKind } from "./token.ts";
export { parseToken } from "./token.ts";
export type { TokenService, TokenView } from "./token-service.ts";
