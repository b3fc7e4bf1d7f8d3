import type { z } from "zod";
import { AppError, type ErrorCode, errorCodes } from "../platform/errors.ts";

/** Talks to a running appliance; every answer is parsed by the schema the server shares. */
export interface Client {
  get<T>(path: string, schema: z.ZodType<T>): Promise<T>;
  post<T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<T>;
  delete(path: string): Promise<void>;
  /** An open response whose body is read as it comes, for event streams and downloads. */
  stream(
    path: string,
    options?: {
      method?: "POST";
      headers?: Record<string, string>;
      body?: string | Uint8Array<ArrayBuffer>;
      signal?: AbortSignal;
    },
  ): Promise<Response>;
}

/** Milliseconds an ordinary answer may take. */
const patience = 60_000;

/** @throws `unavailable` naming the socket when nothing listens there. */
export function createClient(socket: string): Client {
  async function send(path: string, init: RequestInit, timed: boolean): Promise<Response> {
    const signal = timed ? AbortSignal.timeout(patience) : (init.signal ?? null);
    let response: Response;
    try {
      response = await fetch(`http://labctl${path}`, { ...init, signal, unix: socket });
    } catch (cause) {
      throw unreachable(socket, cause);
    }
    if (!response.ok) throw await refusal(response, path);
    return response;
  }
  const json = (body: unknown): RequestInit => ({
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return {
    get: async (path, schema) => parse(await send(path, {}, true), schema, path),
    post: async (path, body, schema) => parse(await send(path, json(body), true), schema, path),
    delete: async (path) => {
      await send(path, { method: "DELETE" }, true);
    },
    stream: (path, options = {}) => send(path, options, false),
  };
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
