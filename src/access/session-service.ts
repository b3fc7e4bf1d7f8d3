import type { z } from "zod";
import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Queries, Store } from "../store/database.ts";
import type { sessionView } from "./api.ts";
import type { AuditLog } from "./audit-log.ts";
import { type Actor, anonymous } from "./principal.ts";
import {
  endSessions,
  findSession,
  forgetSessions,
  insertSession,
  livingSessions,
  openSession,
  type SessionRow,
  saveSeen,
} from "./session-repository.ts";
import { encodeSecret, hashSecret } from "./token.ts";

export type SessionView = z.output<typeof sessionView>;

const minute = 60_000;
/** Milliseconds. */
export const sessionLife = {
  /** For following the link. */
  link: 2 * minute,
  /** Without anybody opening a page. */
  idle: 60 * minute,
  /** At the very most, as long as a user's certificate. */
  whole: 12 * 60 * minute,
};
/** A page opened sooner than this after the last is not written down. */
const seenStep = minute;
const watchEvery = 15_000;
/** Ended ones are kept so long for whoever looks back; the audit tells of them for ever. */
const kept = 7 * 24 * 60 * minute;

/** The pages' sessions: offered by a one-time link, kept by a cookie, ended by time or by somebody. */
export interface Sessions {
  /** A link for the asker's own session; its secret is in the answer alone. @throws `conflict`, `unauthenticated`. */
  offer(actor: Actor): Promise<{ secret: string; until: number }>;
  /** Follows a link, once. @throws `unauthenticated`, saying nothing of why. */
  open(
    secret: string,
    by: { from: string; browser: string; requestId: string },
  ): Promise<{ cookie: string; subject: string }>;
  /** The cookie's session while it holds. `attended`: a person opened a page, which moves its end. */
  recognise(cookie: string, attended: boolean): Promise<SessionView | undefined>;
  /** Those that hold, newest first; of one subject, or of all. */
  list(subject?: string): Promise<SessionView[]>;
  /** @throws `not-found`. */
  end(actor: Actor, id: string): Promise<void>;
  /** Ends all of a subject within the caller's transaction. */
  endAll(tx: Queries, subject: string): Promise<void>;
  /** Calls `ended` once when the session ends; the answer is for who no longer wants to know. */
  watch(id: string, ended: () => void): () => void;
  stop(): Promise<void>;
}

export function createSessions(
  store: Store,
  audit: AuditLog,
  clock: Clock,
  random: (bytes: number) => Uint8Array,
): Sessions {
  const watchers = new Map<string, Set<() => void>>();

  const endOf = (row: SessionRow) => Math.min(row.endsAt, row.seenAt + sessionLife.idle);
  const view = (row: SessionRow): SessionView => ({
    id: row.id,
    subject: row.subject,
    from: row.fromAddress,
    browser: row.browser,
    createdAt: row.createdAt,
    seenAt: row.seenAt,
    endsAt: row.cookieHash === null ? row.linkUntil : endOf(row),
    state: row.cookieHash === null ? "offered" : "open",
  });
  const living = async (subject?: string) => {
    const now = clock.now();
    return (await livingSessions(store.read, now, subject)).map(view).filter(({ endsAt }) => endsAt > now);
  };

  function tell(id: string): void {
    const those = watchers.get(id);
    watchers.delete(id);
    for (const ended of those ?? []) ended();
  }
  /** Time ends sessions too, and tells nobody. */
  async function look(): Promise<void> {
    if (watchers.size === 0) return;
    const ids = new Set((await living()).map(({ id }) => id));
    for (const id of [...watchers.keys()]) if (!ids.has(id)) tell(id);
  }
  const stopLooking = clock.every(watchEvery, () => void look().catch(() => {}));

  return {
    async offer(actor) {
      const { kind, name, session } = actor.principal;
      if (kind === "anonymous") {
        throw new AppError("unauthenticated", "say who you are first", { hint: "labctl login SERVER" });
      }
      // A session that could make the next one would never end.
      if ((kind !== "user" && kind !== "local") || session?.startsWith("web/")) {
        throw new AppError("conflict", "only a user's own command line asks for a link", {
          hint: "labctl ui",
        });
      }
      const secret = encodeSecret(random(32));
      const now = clock.now();
      const until = now + sessionLife.link;
      const id = Buffer.from(random(5)).toString("hex");
      await store.transaction(async (tx) => {
        await forgetSessions(tx, now - kept);
        await insertSession(tx, {
          id,
          subject: name,
          linkHash: hashSecret(secret),
          linkUntil: until,
          cookieHash: null,
          fromAddress: actor.from,
          browser: "",
          createdAt: now,
          seenAt: now,
          endsAt: now + sessionLife.whole,
          endedAt: null,
        });
        await audit.append(tx, actor, { action: "sessions:create", resource: `session/${id}` });
      });
      return { secret, until };
    },
    async open(secret, { from, browser, requestId }) {
      const cookie = encodeSecret(random(32));
      const now = clock.now();
      const row = await store.transaction(async (tx) => {
        const opened = await openSession(tx, hashSecret(secret), {
          cookieHash: hashSecret(cookie),
          fromAddress: from,
          browser: browser.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 200),
          seenAt: now,
          endsAt: now + sessionLife.whole,
        });
        if (opened === undefined) return undefined;
        const kind = opened.subject.startsWith("local/") ? ("local" as const) : ("user" as const);
        const principal = { kind, name: opened.subject, session: `web/${opened.id}`, roles: [] };
        await audit.append(
          tx,
          { principal, from, requestId, startedAt: now },
          { action: "sessions:open", resource: `session/${opened.id}` },
        );
        return opened;
      });
      if (row === undefined) {
        await audit.record(
          { principal: anonymous, from, requestId, startedAt: now },
          { action: "sessions:open", resource: "session", result: "refused" },
        );
        throw new AppError("unauthenticated", "this link is not accepted (any more)", {
          hint: "it works once, for two minutes: labctl ui makes another",
        });
      }
      return { cookie, subject: row.subject };
    },
    async recognise(cookie, attended) {
      const row = await findSession(store.read, hashSecret(cookie));
      const now = clock.now();
      if (row === undefined || row.endedAt !== null || endOf(row) <= now) return undefined;
      if (!attended || now - row.seenAt < seenStep) return view(row);
      await store.transaction((tx) => saveSeen(tx, row.id, now));
      return view({ ...row, seenAt: now });
    },
    list: living,
    async end(actor, id) {
      await store.transaction(async (tx) => {
        if ((await endSessions(tx, { id }, clock.now())).length === 0) {
          throw new AppError("not-found", `there is no session ${id.slice(0, 80)} that could be ended`, {
            hint: "labctl auth sessions",
          });
        }
        await audit.append(tx, actor, { action: "sessions:end", resource: `session/${id}` });
      });
      tell(id);
    },
    async endAll(tx, subject) {
      for (const id of await endSessions(tx, { subject }, clock.now())) tell(id);
    },
    watch(id, ended) {
      const those = watchers.get(id) ?? new Set();
      watchers.set(id, those.add(ended));
      return () => {
        those.delete(ended);
        if (those.size === 0) watchers.delete(id);
      };
    },
    stop: async () => stopLooking(),
  };
}
