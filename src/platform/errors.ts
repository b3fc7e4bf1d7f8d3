/** Who can mend it: the `user` by changing the request, or the operator of the `system`. */
export type Blame = "user" | "system";

/** The closed list of codes. HTTP status and CLI exit code are derived from this table alone. */
export const errorCodes = {
  /** A flag, argument or command line that cannot be understood. */
  usage: { blame: "user", status: 400, exit: 2 },
  /** A value that was understood and is not acceptable: names the field and what it must be. */
  invalid: { blame: "user", status: 400, exit: 2 },
  /** The configuration file or environment is wrong: names file and key. */
  config: { blame: "user", status: 400, exit: 2 },
  /** Nobody proved who they are. */
  unauthenticated: { blame: "user", status: 401, exit: 4 },
  /** Known, and not allowed. */
  forbidden: { blame: "user", status: 403, exit: 4 },
  /** The named thing is not there. */
  "not-found": { blame: "user", status: 404, exit: 3 },
  /** The thing is in a state that does not allow this. */
  conflict: { blame: "user", status: 409, exit: 5 },
  /** It was changed since it was read. */
  stale: { blame: "user", status: 412, exit: 5 },
  /** An idempotency key came before, with another request. */
  reused: { blame: "user", status: 422, exit: 5 },
  /** Was there once and may be fetched no more. */
  gone: { blame: "user", status: 410, exit: 3 },
  /** Larger than its bound. */
  "too-large": { blame: "user", status: 413, exit: 2 },
  /** More often than its bound. */
  "too-many": { blame: "user", status: 429, exit: 6 },
  /** What was waited for ended badly: a failed or stalled install, a failed task. */
  failed: { blame: "system", status: 422, exit: 7 },
  /** The other side cannot be reached, or not now. */
  unavailable: { blame: "system", status: 503, exit: 8 },
  /** It took longer than its bound. */
  timeout: { blame: "system", status: 504, exit: 9 },
  /** A tool, package or privilege this host lacks. */
  missing: { blame: "system", status: 501, exit: 10 },
  /** Our own fault. */
  internal: { blame: "system", status: 500, exit: 1 },
} as const satisfies Record<string, { blame: Blame; status: number; exit: number }>;

export type ErrorCode = keyof typeof errorCodes;

/** The one error of the product. `message` says what and where; `hint` says what to do next. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** Seconds after which the same request may go through. */
  readonly retryAfter: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string; retryAfter?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = "AppError";
    this.code = code;
    this.hint = options.hint;
    this.retryAfter = options.retryAfter;
  }
}

/** Anything thrown, as an `AppError`; a foreign error becomes `internal` and keeps its message. */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  return new AppError("internal", thrown instanceof Error ? thrown.message : String(thrown), {
    cause: thrown,
  });
}
