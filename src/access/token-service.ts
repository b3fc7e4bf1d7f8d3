import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Queries, Store } from "../store/database.ts";
import type { AuditLog } from "./audit-log.ts";
import type { Actor } from "./principal.ts";
import {
  encodeSecret,
  formatToken,
  hashSecret,
  type JoinScope,
  joinScope,
  parseToken,
  type TokenKind,
} from "./token.ts";
import {
  findToken,
  insertToken,
  listTokens,
  readToken,
  revokeToken,
  revokeTokensOf,
  type TokenRow,
  takeToken,
} from "./token-repository.ts";

/** A token as it may be shown: everything but what could be used. */
export interface TokenView {
  id: string;
  kind: TokenKind;
  description: string;
  subject: string;
  scope: JoinScope;
  createdBy: string;
  createdAt: number;
  expiresAt: number;
  usesLeft: number | null;
  state: "usable" | "used up" | "expired" | "revoked";
  lastUsedAt: number | null;
}

export interface NewToken {
  kind: TokenKind;
  description: string;
  /** The user it stands for; empty for join and api tokens. */
  subject?: string;
  scope?: JoinScope;
  /** Milliseconds from now. */
  lifetime: number;
  /** `undefined`: as often as wanted until it expires. */
  uses?: number;
}

export interface TokenService {
  /** The token's text is in the answer alone: it is kept nowhere. */
  create(actor: Actor, wanted: NewToken): Promise<{ text: string; view: TokenView }>;
  /** As `create`, within the caller's transaction. */
  mint(tx: Queries, actor: Actor, wanted: NewToken): Promise<{ text: string; view: TokenView }>;
  /** Uses it once within the caller's transaction. @throws `unauthenticated`, saying nothing of why. */
  use(tx: Queries, kind: TokenKind, text: string): Promise<TokenView>;
  /** The bearer's token while it holds; `undefined` otherwise. */
  recognise(kind: TokenKind, text: string): Promise<TokenView | undefined>;
  /** Newest first; those that come after `before`. */
  list(limit: number, before?: { createdAt: number; id: string }): Promise<TokenView[]>;
  /** @throws `not-found`. */
  find(id: string): Promise<TokenView>;
  /** @throws `not-found`. */
  revoke(actor: Actor, id: string): Promise<void>;
  /** Those that log in as this user, within the transaction that removes it. */
  revokeAll(tx: Queries, user: string): Promise<void>;
}

const maxLifetime = 366 * 86_400_000;

export function createTokenService(
  store: Store,
  audit: AuditLog,
  clock: Clock,
  random: (bytes: number) => Uint8Array,
  authorityFingerprint: () => string,
): TokenService {
  const view = (row: TokenRow): TokenView => ({
    id: row.id,
    kind: row.kind,
    description: row.description,
    subject: row.subject,
    scope: joinScope.parse(row.scope),
    createdBy: row.createdBy,
    createdAt: row.createdAt,
    expiresAt: row.expiresAt,
    usesLeft: row.usesLeft,
    lastUsedAt: row.lastUsedAt,
    state: stateOf(row, clock.now()),
  });

  async function mint(tx: Queries, actor: Actor, wanted: NewToken) {
    if (wanted.lifetime <= 0 || wanted.lifetime > maxLifetime) {
      throw new AppError("invalid", "a token lives between a moment and a year", {
        hint: "--expires 24h, for example",
      });
    }
    const secret = encodeSecret(random(32));
    const now = clock.now();
    const row: TokenRow = {
      id: Buffer.from(random(5)).toString("hex"),
      kind: wanted.kind,
      hash: hashSecret(secret),
      description: wanted.description,
      subject: wanted.subject ?? "",
      scope: wanted.scope ?? joinScope.parse({}),
      createdBy: actor.principal.name,
      createdAt: now,
      expiresAt: now + wanted.lifetime,
      usesLeft: wanted.uses ?? null,
      revokedAt: null,
      lastUsedAt: null,
    };
    await insertToken(tx, row);
    await audit.append(tx, actor, {
      action: "tokens:create",
      resource: `token/${row.id}`,
      detail: wanted.kind,
    });
    const authority =
      wanted.kind === "join" || wanted.kind === "login" ? { authority: authorityFingerprint() } : {};
    return { text: formatToken({ kind: wanted.kind, secret, ...authority }), view: view(row) };
  }

  return {
    mint,
    create: (actor, wanted) => store.transaction((tx) => mint(tx, actor, wanted)),
    async use(tx, kind, text) {
      const row = await takeToken(tx, kind, hashSecret(parseToken(text).secret), clock.now());
      if (row === undefined) {
        throw new AppError("unauthenticated", "this token is not accepted", {
          hint: "it may be used up, expired or revoked; labctl token list shows which, labctl token create makes another",
        });
      }
      return view(row);
    },
    async recognise(kind, text) {
      const token = parseToken(text);
      const row = token.kind === kind ? await findToken(store.read, hashSecret(token.secret)) : undefined;
      return row?.kind === kind && stateOf(row, clock.now()) === "usable" ? view(row) : undefined;
    },
    list: async (limit, before) => (await listTokens(store.read, limit, before)).map(view),
    async find(id) {
      const row = await readToken(store.read, id);
      if (row !== undefined) return view(row);
      throw new AppError("not-found", `there is no token ${id}`, { hint: "labctl token list" });
    },
    revokeAll: (tx, user) => revokeTokensOf(tx, user, clock.now()),
    revoke: (actor, id) =>
      store.transaction(async (tx) => {
        const row = await revokeToken(tx, id, clock.now());
        if (row === undefined) {
          throw new AppError("not-found", `there is no token ${id} that could be revoked`, {
            hint: "labctl token list",
          });
        }
        await audit.append(tx, actor, { action: "tokens:revoke", resource: `token/${id}` });
      }),
  };
}

function stateOf(row: TokenRow, now: number): TokenView["state"] {
  if (row.revokedAt !== null) return "revoked";
  if (row.expiresAt <= now) return "expired";
  return row.usesLeft === 0 ? "used up" : "usable";
}
