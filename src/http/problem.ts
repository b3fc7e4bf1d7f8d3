import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { AppError, type ErrorCode, errorCodes, toAppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";

/** RFC 9457, with our code and hint as extension members. */
export interface Problem {
  type: "about:blank";
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  hint?: string;
}

export function toProblem(error: AppError): Problem {
  const { status } = errorCodes[error.code];
  // What went wrong inside us may hold anything: it goes to the log, not to the network.
  const detail = error.code === "internal" ? "labctl failed to handle this; its log says why" : error.message;
  return {
    type: "about:blank",
    title: error.code.replaceAll("-", " "),
    status,
    detail,
    code: error.code,
    ...(error.hint !== undefined && error.code !== "internal" && { hint: error.hint }),
  };
}

/** The one place where an error becomes an HTTP response. */
export function problemResponse(thrown: unknown, context: Context, logger: Logger): Response {
  const error = refusedByHono(thrown) ?? toAppError(thrown);
  if (error.code === "internal") {
    logger.error("a request failed", {
      path: context.req.path,
      error: error.message,
      stack: error.cause instanceof Error ? error.cause.stack : error.stack,
    });
  }
  const problem = toProblem(error);
  const soon = error.code === "too-many" || error.code === "unavailable" ? 2 : undefined;
  const retryAfter = error.retryAfter ?? soon;
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      "content-type": "application/problem+json",
      ...(retryAfter !== undefined && { "retry-after": String(retryAfter) }),
    },
  });
}

/** A body that is not what the route takes, is no JSON, or broke off while it was read. */
function refusedByHono(thrown: unknown): AppError | undefined {
  if (!(thrown instanceof Error)) return undefined;
  if (thrown instanceof HTTPException && thrown.status < 500)
    return new AppError(
      "invalid",
      thrown.status === 415 ? "the body must be application/json" : thrown.message,
    );
  const brokeOff =
    thrown.name === "AbortError" || ("code" in thrown && thrown.code === "ERR_STREAM_PREMATURE_CLOSE");
  return brokeOff ? new AppError("invalid", "the request broke off before its end") : undefined;
}
