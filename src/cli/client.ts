import type { z } from "zod";
import type { Page } from "../http/page.ts";
import { AppError, type ErrorCode, errorCodes } from "../platform/errors.ts";
import { type Identity, keepIdentity } from "./identity.ts";
import { fetchOnce } from "./repeated-fetch.ts";

/** Talks to a running appliance; every answer is parsed by the schema the server shares. */
export interface Client {
  get<T>(path: string, schema: z.ZodType<T>): Promise<T>;
  post<T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<T>;
  /** A change whose answer says nothing. */
  send(method: "POST" | "PUT" | "PATCH", path: string, body: unknown): Promise<void>;
  delete(path: string): Promise<void>;
  /** An open response whose body is read as it comes, for event streams and downloads. */
  stream(
    path: string,
    options?: {
      method?: "POST" | "PUT";
      headers?: Record<string, string>;
      body?: string | Uint8Array<ArrayBuffer>;
      signal?: AbortSignal;
    },
  ): Promise<Response>;
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
  async function send(path: string, init: RequestInit, timed: boolean): Promise<Response> {
    const signal = timed ? AbortSignal.timeout(patience) : (init.signal ?? null);
    let response: Response;
    try {
      const ask = init.method === "POST" && timed ? fetchOnce : fetch;
      response = await ask(`${base}${path}`, { ...init, ...options, signal });
    } catch (cause) {
      throw unreachable(where, cause);
    }
    if (!response.ok) throw await refusal(response, path);
    if (typeof target !== "string") {
      looked ??= keepIdentity(target, response.headers.get("labctl-authority"));
      await looked;
    }
    return response;
  }
  const json = (body: unknown, method = "POST"): RequestInit => ({
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return {
    get: async (path, schema) => parse(await send(path, {}, true), schema, path),
    post: async (path, body, schema) => parse(await send(path, json(body), true), schema, path),
    send: async (method, path, body) => {
      await send(path, json(body, method), true);
    },
    delete: async (path) => {
      await send(path, { method: "DELETE" }, true);
    },
    stream: (path, options = {}) => send(path, options, false),
  };
}

/** Every row of a list, page by page. */
export async function readList<Row>(
  client: Client,
  path: string,
  schema: z.ZodType<Page<Row>>,
  query: Record<string, string | undefined> = {},
): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | undefined;
  do {
    const wanted = new URLSearchParams({ limit: "1000" });
    for (const [key, value] of Object.entries({ ...query, cursor }))
      if (value !== undefined) wanted.set(key, value);
    const { items, next }: Page<Row> = await client.get(`${path}?${wanted}`, schema);
    rows.push(...items);
    cursor = next;
  } while (cursor !== undefined);
  return rows;
}

async function parse<T>(response: Response, schema: z.ZodType<T>, path: string): Promise<T> {
  const result = schema.safeParse(await response.json());
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new AppError(
    "internal",
    `${path}: the answer has an unexpected ${issue?.path.join(".") || "shape"}`,
    {
      hint: "are client and daemon of the same version? labctl version",
    },
  );
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

function unreachable(socket: string, cause: unknown): AppError {
  if (cause instanceof Error && cause.name === "TimeoutError") {
    return new AppError("timeout", `the appliance did not answer within ${patience / 1000} s`, { cause });
  }
  const denied =
    cause instanceof Error &&
    /EACCES|permission/i.test(`${"code" in cause ? cause.code : ""} ${cause.message}`);
  return denied
    ? new AppError("forbidden", `${socket} may not be opened by this user`, {
        hint: "run as root, or join the group that owns it: usermod -aG labctl $USER",
        cause,
      })
    : new AppError("unavailable", `no appliance listens on ${socket}`, {
        hint: "start it: labctl init bastion standalone start",
        cause,
      });
}
