import { createHash } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import type { AuditLog } from "../access/service.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Queries, Store } from "../store/database.ts";
import { openAnswer, sealAnswer } from "./answer-seal.ts";
import type { ApiEnv } from "./app.ts";
import {
  answerKey,
  findKey,
  type KeptKey,
  type KeyName,
  releaseKey,
  reserveKey,
  tidyKeys,
} from "./idempotency-repository.ts";

/** Milliseconds a key is remembered, and how many of one identity. */
const lifetime = 24 * 3_600_000;
const keptEach = 1000;
/** Long enough to be unguessable: it opens the answer. */
const keyPattern = /^[\x21-\x7e]{16,255}$/;

export const idempotencyHeader = "idempotency-key";
/** Says that the answer is an earlier one. */
export const replayedHeader = "idempotency-replayed";

/**
 * Does a request that carries an Idempotency-Key once, however often it is sent (draft-ietf-httpapi-idempotency-key-
 * header). The key is reserved, durably, before the work. A success is kept as its answer; a refusal did nothing and
 * frees the key. Where labd was ended in between, the audit tells whether it was done, as its record is written in the
 * transaction of the deed. `empty`: the route answers nothing, so that its answer need not have been kept.
 */
export function createOnce({
  store,
  audit,
  clock,
}: {
  store: Store;
  audit: Pick<AuditLog, "last" | "tells">;
  clock: Clock;
}): (empty: boolean) => MiddlewareHandler<ApiEnv> {
  /** Requests that are being worked on by this process. */
  const underWay = new Set<string>();

  /** Reserves the key, or says what it stands for already. */
  function reserve(row: KeyName & Pick<KeptKey, "fingerprint" | "requestId">): Promise<KeptKey | undefined> {
    return store.transaction(async (tx) => {
      const now = clock.now();
      await tidyKeys(tx, row.identity, now - lifetime, keptEach - 1);
      const kept = await findKey(tx, row);
      if (kept !== undefined && !(await wasNeverDone(tx, kept))) return kept;
      await reserveKey(tx, { ...row, auditSeq: await audit.last(tx), createdAt: now });
      // Here and not later: the next transaction may be a duplicate's.
      underWay.add(nameOf(row));
      return undefined;
    });
  }

  /** It was reserved by a process that ended before it did anything. */
  const wasNeverDone = async (tx: Queries, kept: KeptKey) =>
    kept.status === null &&
    !underWay.has(nameOf(kept)) &&
    !(await audit.tells(tx, kept.requestId, kept.auditSeq));

  return (empty) => async (context, next) => {
    const key = context.req.header(idempotencyHeader);
    if (key === undefined) return next();
    if (!keyPattern.test(key)) {
      throw new AppError("invalid", "an Idempotency-Key has 16 to 255 printable characters", {
        hint: "a UUID, for example",
      });
    }
    const { actor } = context.var;
    const name = { identity: actor.principal.name, keyHash: sha256(key) };
    const fingerprint = await fingerprintOf(context);
    const kept = await reserve({ ...name, fingerprint, requestId: actor.requestId });
    if (kept !== undefined) return replay(kept, fingerprint, key, underWay.has(nameOf(name)), empty);
    try {
      await next();
      if (context.res.ok) {
        const { status } = context.res;
        const sealedAnswer = sealAnswer(await context.res.clone().text(), key);
        const contentType = context.res.headers.get("content-type");
        await store.transaction((tx) => answerKey(tx, name, { status, contentType, sealedAnswer }));
      } else await store.transaction((tx) => releaseKey(tx, name));
    } finally {
      underWay.delete(nameOf(name));
    }
    return undefined;
  };
}

function replay(kept: KeptKey, fingerprint: string, key: string, busy: boolean, empty: boolean): Response {
  if (kept.fingerprint !== fingerprint) {
    throw new AppError("reused", "this Idempotency-Key came with another request before", {
      hint: "a new request takes a new key",
    });
  }
  const headers = { [replayedHeader]: "true" };
  if (kept.status !== null && kept.sealedAnswer !== null) {
    const type = kept.contentType === null ? {} : { "content-type": kept.contentType };
    const answer = openAnswer(kept.sealedAnswer, key);
    return new Response(answer === "" ? null : answer, {
      status: kept.status,
      headers: { ...headers, ...type },
    });
  }
  if (busy) {
    throw new AppError("conflict", "the same request is being worked on", { retryAfter: 1 });
  }
  if (empty) return new Response(null, { status: 204, headers });
  throw new AppError("conflict", "this was done, and its answer was lost as the service ended", {
    hint: "look at what is there: labctl audit list; a token whose text was lost is revoked and made anew",
  });
}

async function fingerprintOf(context: Context<ApiEnv>): Promise<string> {
  const { pathname, search } = new URL(context.req.url);
  return sha256([context.req.method, pathname + search, await context.req.text()].join("\n"));
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const nameOf = ({ identity, keyHash }: KeyName) => `${identity} ${keyHash}`;
