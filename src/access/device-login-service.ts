import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Queries, Store } from "../store/database.ts";
import type { AuditLog } from "./audit-log.ts";
import type { Authority } from "./authority.ts";
import { readRequest } from "./certificates.ts";
import { createUserCode, decidePoll, deviceLife, formatUserCode, readUserCode } from "./device-login.ts";
import {
  answerDeviceLogin,
  countDeviceLogins,
  findByDevice,
  findPending,
  insertDeviceLogin,
  savePoll,
  takeGranted,
} from "./device-login-repository.ts";
import type { Directory } from "./directory.ts";
import { findUser } from "./directory-repository.ts";
import { mayLetInAsAnybody } from "./permissions.ts";
import type { Actor } from "./principal.ts";
import { encodeSecret, hashSecret } from "./token.ts";

/** What whoever lets it in should compare with what is in front of them. */
export interface DeviceRequest {
  code: string;
  host: string;
  from: string;
  createdAt: number;
  expiresAt: number;
}

export type Polled =
  | { status: "authorization_pending" | "slow_down"; interval: number }
  | { status: "access_denied" | "expired_token" }
  | { status: "granted"; name: string; certificate: string; authorities: string };

/** Command lines that ask to be let in by somebody who is. */
export interface DeviceLogins {
  /** @throws `too-many` when as many wait as may. Durations in milliseconds. */
  begin(
    csr: string,
    host: string,
    from: string,
  ): Promise<{ deviceCode: string; userCode: string; expiresIn: number; interval: number }>;
  /** What it has come to. The certificate is handed over once. */
  poll(actor: Actor, deviceCode: string): Promise<Polled>;
  /** @throws `not-found`: nothing waits under this code. */
  find(code: string): Promise<DeviceRequest>;
  /** Lets it in as the asker, or as `user` by whoever may make users and give roles. @throws `not-found`, `forbidden`, `invalid`. */
  grant(actor: Actor, code: string, user?: string): Promise<string>;
  deny(actor: Actor, code: string): Promise<void>;
}

/** That wait at once. */
const limits = { all: 200, own: 10 };

export function createDeviceLogins({
  store,
  audit,
  authority,
  directory,
  clock,
  random,
}: {
  store: Store;
  audit: AuditLog;
  authority: Authority;
  directory: Directory;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
}): DeviceLogins {
  const unknown = () =>
    new AppError("not-found", "no command line waits under this code", {
      hint: "look at the code again; it holds for ten minutes, and for one answer",
    });
  const readCode = (text: string) => {
    const code = readUserCode(text);
    if (code === undefined) throw unknown();
    return code;
  };

  async function subjectFor(actor: Actor, user: string | undefined): Promise<string> {
    const { kind, name, roles } = actor.principal;
    if (kind === "anonymous") throw new AppError("unauthenticated", "say who you are first");
    const own = kind === "user" ? name.slice("user/".length) : undefined;
    const subject = user ?? own;
    if (subject === undefined) {
      throw new AppError("invalid", "say which user it is to be: you are none yourself", {
        hint: "labctl auth approve CODE --user NAME",
      });
    }
    if (subject !== own && !mayLetInAsAnybody(roles)) {
      await audit.record(actor, { action: "logins:approve", resource: `user/${subject}`, result: "refused" });
      throw new AppError("forbidden", `only an administrator lets a command line in as user/${subject}`);
    }
    return subject;
  }

  async function handOver(tx: Queries, actor: Actor, deviceHash: string): Promise<Polled> {
    const row = await takeGranted(tx, deviceHash);
    const name = row?.subject ?? "";
    // Whoever was removed in the meantime is not let in.
    if (row === undefined || (await findUser(tx, name)) === undefined) return { status: "expired_token" };
    const principal = { kind: "user" as const, name: `user/${name}`, roles: [] };
    await audit.append(
      tx,
      { ...actor, principal },
      {
        action: "users:login",
        resource: `user/${name}`,
        detail: `device ${row.host}`,
      },
    );
    const { pem } = await authority.issue(tx, row.csr, { holder: "user", name });
    return { status: "granted", name, certificate: pem, authorities: authority.bundle() };
  }

  return {
    async begin(csr, host, from) {
      // Refused here, where its sender can still mend it.
      await readRequest(csr);
      const deviceCode = encodeSecret(random(32));
      const userCode = createUserCode(random);
      const now = clock.now();
      await store.transaction(async (tx) => {
        const waiting = await countDeviceLogins(tx, now, from);
        if (waiting.all >= limits.all || waiting.own >= limits.own) {
          throw new AppError("too-many", "too many command lines wait to be let in", {
            hint: "try again in ten minutes, or log in with a token: labctl login --token",
          });
        }
        await insertDeviceLogin(tx, {
          deviceHash: hashSecret(deviceCode),
          userCode,
          csr,
          host,
          fromAddress: from,
          createdAt: now,
          expiresAt: now + deviceLife.whole,
          pollInterval: deviceLife.poll,
          polledAt: null,
          state: "pending",
          subject: null,
        });
      });
      return {
        deviceCode,
        userCode: formatUserCode(userCode),
        expiresIn: deviceLife.whole,
        interval: deviceLife.poll,
      };
    },
    poll: (actor, deviceCode) =>
      store.transaction(async (tx) => {
        const hash = hashSecret(deviceCode);
        const now = clock.now();
        const row = await findByDevice(tx, hash);
        const decision = row === undefined ? ({ kind: "expired" } as const) : decidePoll(row, now);
        switch (decision.kind) {
          case "expired":
            return { status: "expired_token" };
          case "denied":
            return { status: "access_denied" };
          case "slow-down":
            await savePoll(tx, hash, now, decision.interval);
            return { status: "slow_down", interval: decision.interval };
          case "pending": {
            const interval = row?.pollInterval ?? deviceLife.poll;
            await savePoll(tx, hash, now, interval);
            return { status: "authorization_pending", interval };
          }
          case "granted":
            return handOver(tx, actor, hash);
        }
      }),
    async find(text) {
      const row = await findPending(store.read, readCode(text), clock.now());
      if (row === undefined) throw unknown();
      return {
        code: formatUserCode(row.userCode),
        host: row.host,
        from: row.fromAddress,
        createdAt: row.createdAt,
        expiresAt: row.expiresAt,
      };
    },
    async grant(actor, text, user) {
      const code = readCode(text);
      const subject = await subjectFor(actor, user);
      if (!(await directory.users()).some(({ name, disabled }) => name === subject && !disabled)) {
        throw new AppError("not-found", `there is no user '${subject}'`, { hint: "labctl auth add-user" });
      }
      await store.transaction(async (tx) => {
        if (!(await answerDeviceLogin(tx, code, clock.now(), { state: "granted", subject }))) throw unknown();
        await audit.append(tx, actor, { action: "logins:approve", resource: `user/${subject}` });
      });
      return subject;
    },
    async deny(actor, text) {
      if (actor.principal.kind === "anonymous")
        throw new AppError("unauthenticated", "say who you are first");
      const code = readCode(text);
      await store.transaction(async (tx) => {
        if (!(await answerDeviceLogin(tx, code, clock.now(), { state: "denied" }))) throw unknown();
        await audit.append(tx, actor, { action: "logins:deny", resource: "login" });
      });
    },
  };
}
