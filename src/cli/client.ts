import type { Hono, Schema } from "hono";
import { hc } from "hono/client";
import type { z } from "zod";
import type { AuditRoutes } from "../access/audit-routes.ts";
import type { GovernanceRoutes } from "../access/governance-routes.ts";
import type { GroupRoutes } from "../access/group-routes.ts";
import type { IdentityRoutes } from "../access/identity-routes.ts";
import type { AccessRoutes } from "../access/routes.ts";
import type { SessionRoutes } from "../access/session-routes.ts";
import type { BootRecordRoutes } from "../boot/routes.ts";
import type { BastionRoutes } from "../fleet/bastion-routes.ts";
import type { FleetRoutes } from "../fleet/routes.ts";
import type { ApiEnv } from "../http/gate.ts";
import type { LogRoutes } from "../http/log-routes.ts";
import type { OperationsRoutes } from "../http/operations-routes.ts";
import type { Page } from "../http/page.ts";
import type { StatusRoutes } from "../http/status-routes.ts";
import type { ImageRoutes } from "../images/routes.ts";
import type { ReprovisionRoutes } from "../machines/reprovision-routes.ts";
import type { MachineRoutes } from "../machines/routes.ts";
import { AppError, type ErrorCode, errorCodes } from "../platform/errors.ts";
import { type Identity, keepIdentity } from "./identity.ts";
import { fetchOnce } from "./repeated-fetch.ts";

type Of<Room extends Hono<ApiEnv, Schema>> = ReturnType<typeof hc<Room>>;
/** What can be asked, as the rooms that answer declare it. */
type Api = Of<MachineRoutes> &
  Of<ReprovisionRoutes> &
  Of<BootRecordRoutes> &
  Of<ImageRoutes> &
  Of<FleetRoutes> &
  Of<BastionRoutes> &
  Of<AccessRoutes> &
  Of<GovernanceRoutes> &
  Of<GroupRoutes> &
  Of<IdentityRoutes> &
  Of<AuditRoutes> &
  Of<LogRoutes> &
  Of<SessionRoutes> &
  Of<StatusRoutes> &
  Of<OperationsRoutes>;

/** Talks to a running appliance. A request that is refused throws the error it was there. */
export interface Client {
  readonly v1: Api["api"]["v1"];
  readonly logs: Api["api"]["logs"];
  readonly health: Api["health"];
}

/** Milliseconds an ordinary answer may take. */
const patience = 60_000;

/** Where a daemon is: the Unix socket on this host, or labd somewhere, by mutual TLS. */
export type Target = string | Identity;

/** @throws `unavailable` naming the target when nothing listens there. */
export function createClient(target: Target): Client {
  const base = typeof target === "string" ? "http://labctl" : target.server;
  const where = typeof target === "string" ? target : target.server;
  const options: BunFetchRequestInit =
    typeof target === "string"
      ? { unix: target }
      : { tls: { ca: target.authoritiesPem, cert: target.certificatePem, key: target.keyPem } };

  let looked: Promise<void> | undefined;
  async function send(url: string, init: RequestInit): Promise<Response> {
    const timed = init.signal === undefined;
    const signal = init.signal ?? AbortSignal.timeout(patience);
    let response: Response;
    try {
      const ask = init.method === "POST" && timed ? fetchOnce : fetch;
      response = await ask(url, { ...init, ...options, signal });
    } catch (cause) {
      throw unreachable(where, cause);
    }
    if (!response.ok && response.status !== 304) throw await refusal(response, url.slice(base.length));
    if (typeof target !== "string") {
      looked ??= keepIdentity(target, response.headers.get("labctl-authority"));
      await looked;
    }
    return response;
  }
  // checked: the client calls it with the URL it made and with what it puts into a request
  const api = hc(base, { fetch: send as typeof fetch });
  // checked: it answers for any path; which there are is what the rooms declare
  const { api: paths, health } = api as unknown as Api;
  return { v1: paths.v1, logs: paths.logs, health };
}

/** Values for the names in a route's path. */
export const at = <Names extends Record<string, string>>(names: Names): { param: Names } => ({
  // checked: the same keys with other text
  param: Object.fromEntries(
    Object.entries(names).map(([key, value]) => [key, encodeURIComponent(value)]),
  ) as Names,
});

/** For an answer that is read as it comes: no time-out but the caller's. */
export const openEnded = (signal = new AbortController().signal) => ({ init: { signal } });

/** The answer, parsed by the schema the server shares. */
export async function read<Answer>(request: Promise<Answered>, schema: z.ZodType<Answer>): Promise<Answer> {
  const response = await request;
  const result = schema.safeParse(await response.json());
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new AppError(
    "internal",
    `${new URL(response.url).pathname}: the answer has an unexpected ${issue?.path.join(".") || "shape"}`,
    {
      hint: "are client and daemon of the same version? labctl version",
    },
  );
}
export type Answered = Pick<Response, "url" | "status" | "headers"> & { json(): Promise<unknown> };

export interface ListPage {
  query: { limit: string; cursor?: string };
  header: { "if-none-match"?: string };
}

/** The pages of a list as they were read last, by cursor: what has not changed is not sent again. */
export type SinceRead = Map<string, { tag: string; page: Page<unknown> }>;

/** Every row of a list, page by page. */
export async function readList<Row>(
  list: (page: ListPage) => Promise<Answered>,
  schema: z.ZodType<Page<Row>>,
  since?: SinceRead,
): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | undefined;
  do {
    const { items, next }: Page<Row> = await readPage(list, schema, cursor, since);
    rows.push(...items);
    cursor = next;
  } while (cursor !== undefined);
  return rows;
}

async function readPage<Row>(
  list: (page: ListPage) => Promise<Answered>,
  schema: z.ZodType<Page<Row>>,
  cursor: string | undefined,
  since: SinceRead | undefined,
): Promise<Page<Row>> {
  const known = since?.get(cursor ?? "");
  const response = await list({
    query: { limit: "1000", ...(cursor !== undefined && { cursor }) },
    header: known === undefined ? {} : { "if-none-match": known.tag },
  });
  // checked: it was read by this list's own schema
  if (known !== undefined && response.status === 304) return known.page as Page<Row>;
  const page = await read(Promise.resolve(response), schema);
  const tag = response.headers.get("etag");
  if (tag !== null) since?.set(cursor ?? "", { tag, page });
  return page;
}

/** The server's problem (RFC 9457) as the error it was there. */
async function refusal(response: Response, path: string): Promise<AppError> {
  const body: unknown = await response.json().catch(() => undefined);
  const field = (name: string) => {
    const value = typeof body === "object" && body !== null ? Reflect.get(body, name) : undefined;
    return typeof value === "string" ? value : undefined;
  };
  const code = field("code");
  const hint = field("hint");
  return new AppError(
    isErrorCode(code) ? code : "internal",
    field("detail") ?? `${path} was answered with ${response.status}`,
    hint === undefined ? {} : { hint },
  );
}

const isErrorCode = (code: string | undefined): code is ErrorCode =>
  code !== undefined && Object.hasOwn(errorCodes, code);

/** Why nothing was heard from `where`: a socket's path on this host, or labd's URL. */
export function unreachable(where: string, cause: unknown): AppError {
  if (cause instanceof Error && cause.name === "TimeoutError") {
    return new AppError("timeout", `the appliance did not answer within ${patience / 1000} s`, { cause });
  }
  const reason =
    cause instanceof Error ? `${"code" in cause ? cause.code : ""} ${cause.message}`.trim() : String(cause);
  if (!where.startsWith("/")) {
    return new AppError("unavailable", `labd cannot be reached at ${where}: ${reason}`, {
      hint: "does it run, and does a firewall let this port through? labctl login SERVER names another labd",
      cause,
    });
  }
  return /EACCES|permission/i.test(reason)
    ? new AppError("forbidden", `${where} may not be opened by this user`, {
        hint: "run as root, or join the group that owns it: usermod -aG labctl $USER",
        cause,
      })
    : new AppError("unavailable", `no appliance listens on ${where}`, {
        hint: "start it: labctl init bastion standalone start",
        cause,
      });
}
