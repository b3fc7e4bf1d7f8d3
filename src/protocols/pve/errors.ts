import { AppError, type ErrorCode } from "../../platform/errors.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { grantCommands, type Need } from "./privileges.ts";
import { type Refusal, readRefusal } from "./refusal.ts";
import type { Upid } from "./upid.ts";

/** Whose rights are in question, for the commands that would grant what is missing. */
export interface TokenOwner {
  user: string;
  tokenid: string;
}

export interface ApiRefusal {
  /** `POST /nodes/pve1/qemu/101/status/start` */
  operation: string;
  status: number;
  reason: string;
  fields: Record<string, string>;
  owner: TokenOwner;
  /** What the schema says the operation wants, for refusals that name nothing (create and clone). */
  needs?: readonly Need[];
}

/** The API answered, and the answer is no. */
export class PveApiError extends AppError {
  readonly status: number;
  readonly reason: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly refusal: Refusal;
  /** Of a 403: what is missing, and where. */
  readonly missing: readonly Need[];

  constructor(answer: ApiRefusal) {
    const details = Object.entries(answer.fields).map(([name, text]) => `${name}: ${text}`);
    const refusal = readRefusal([answer.reason, ...details].join("\n"));
    const missing = missingOf(refusal, answer.needs);
    const text = [answer.reason.replace(/\.$/, ""), ...details].join("; ");
    super(codeOf(answer.status, refusal), `${answer.operation}: ${text}${named(refusal, missing)}`, {
      hint: hintOf(answer, refusal, missing),
    });
    this.name = "PveApiError";
    this.status = answer.status;
    this.reason = answer.reason;
    this.fields = answer.fields;
    this.refusal = refusal;
    this.missing = missing;
  }
}

/** The guest's configuration is locked: only `qm unlock` (or `pct unlock`) on the node can end that. */
export class PveLocked extends PveApiError {
  readonly lock: string;

  constructor(answer: ApiRefusal, lock: string) {
    super(answer);
    this.name = "PveLocked";
    this.lock = lock;
  }
}

export function refusalError(answer: ApiRefusal): PveApiError {
  const error = new PveApiError(answer);
  return error.refusal.kind === "locked" ? new PveLocked(answer, error.refusal.lock) : error;
}

/** A task ended in anything but `OK` or `WARNINGS`. */
export class PveTaskError extends AppError {
  readonly upid: Upid;
  readonly exitstatus: string;
  readonly logTail: readonly string[];
  readonly refusal: Refusal;
  readonly missing: readonly Need[];

  constructor(task: {
    upid: Upid;
    exitstatus: string;
    logTail: readonly string[];
    owner: TokenOwner;
    type: string;
  }) {
    // The exit status says it; where it does not, a line of the log may.
    const texts = [task.exitstatus, ...task.logTail.toReversed()];
    const refusal =
      texts.map(readRefusal).find(({ kind }) => kind !== "other") ?? readRefusal(task.exitstatus);
    const missing = missingOf(refusal, undefined);
    super("failed", `task ${task.type} failed: ${task.exitstatus} (${task.upid})`, {
      hint: missing[0] ? grantHint(missing, task.owner) : lockHint(refusal),
    });
    this.name = "PveTaskError";
    this.upid = task.upid;
    this.exitstatus = task.exitstatus;
    this.logTail = task.logTail;
    this.refusal = refusal;
    this.missing = missing;
  }
}

/** Whether the change was certainly not made, or may have been. */
export type Fate = "not-made" | "unknown";

export class PveUnreachable extends AppError {
  readonly fate: Fate;

  constructor(operation: string, where: string, why: string, fate: Fate, cause?: unknown) {
    super("unavailable", `${operation}: ${where}: ${why}${mayHaveHappened(fate)}`, {
      hint: fate === "unknown" ? lookHint : "is the node up, and pveproxy running (port 8006)?",
      cause,
    });
    this.name = "PveUnreachable";
    this.fate = fate;
  }
}

export class PveTimeout extends AppError {
  readonly fate: Fate;

  constructor(what: string, afterMs: number, fate: Fate) {
    super("timeout", `${what}: no end after ${Math.round(afterMs / 100) / 10} s${mayHaveHappened(fate)}`, {
      hint: fate === "unknown" ? lookHint : undefined,
    });
    this.name = "PveTimeout";
    this.fate = fate;
  }
}

/** The host that answered is not the one that was pinned, or nothing says that it is ours: no byte was sent. */
export class PveTlsMismatch extends AppError {
  /** `expected` of a pinned host; `why` of one that the CA file, or nobody, vouches for. */
  constructor(
    where: string,
    trust: { expected: Fingerprint; seen: Fingerprint | undefined } | { why: string },
  ) {
    const pinned = "expected" in trust;
    const reason = pinned
      ? `is not the host it should be: its certificate is ${trust.seen ?? "missing"}, pinned is ${trust.expected}`
      : `is not trusted: ${trust.why}`;
    const confirm = `labctl proxmox trust ${where}`;
    super("unavailable", `${where} ${reason}; nothing was sent to it`, {
      hint: pinned
        ? `if the node renewed its certificate, compare and pin the new one: ${confirm}`
        : `compare its certificate and pin it: ${confirm}`,
    });
    this.name = "PveTlsMismatch";
  }
}

const lookHint = "look at the node's task list before trying again";
const mayHaveHappened = (fate: Fate) => (fate === "unknown" ? "; it may have been carried out" : "");

function missingOf(refusal: Refusal, needs: readonly Need[] | undefined): readonly Need[] {
  if (refusal.kind !== "forbidden") return [];
  if (refusal.path === undefined) return needs ?? [];
  return [{ path: refusal.path, privileges: refusal.privileges }];
}

/** Names what a bare `Permission check failed` does not. */
function named(refusal: Refusal, missing: readonly Need[]): string {
  if (refusal.kind !== "forbidden" || refusal.path !== undefined || missing.length === 0) return "";
  return ` (wants ${missing.map(({ path, privileges }) => `${privileges.join(" or ")} on ${path}`).join(", ")})`;
}

function codeOf(status: number, refusal: Refusal): ErrorCode {
  if (status === 401) return "unauthenticated";
  switch (refusal.kind) {
    case "forbidden":
      return "forbidden";
    case "guest-missing":
      return "not-found";
    case "locked":
    case "guest-exists":
    case "digest-mismatch":
    case "guest-running":
    case "guest-stopped":
    case "protected":
      return "conflict";
    case "lock-timeout":
    case "agent-down":
      return "unavailable";
    case "other":
      return status === 400
        ? "invalid"
        : [502, 503, 595, 596, 599].includes(status)
          ? "unavailable"
          : "failed";
  }
}

function hintOf(answer: ApiRefusal, refusal: Refusal, missing: readonly Need[]): string | undefined {
  if (answer.status === 401) {
    return "the token is unknown, expired or its uuid is wrong: pveum user token list USER, or make a new one";
  }
  if (refusal.kind === "forbidden") return grantHint(missing, answer.owner);
  if (refusal.kind === "digest-mismatch")
    return "someone else changed the guest meanwhile: read it and try again";
  if (refusal.kind === "agent-down")
    return "the guest may still be booting, or qemu-guest-agent is not installed in it";
  return lockHint(refusal);
}

function grantHint(missing: readonly Need[], owner: TokenOwner): string | undefined {
  if (missing.length === 0) return undefined;
  return `on the node: ${missing.flatMap((need) => grantCommands(need, owner)).join("; ")}`;
}

function lockHint(refusal: Refusal): string | undefined {
  if (refusal.kind !== "locked") return undefined;
  return `no token can clear a lock: once the task that holds it is gone, run \`qm unlock ${refusal.vmid ?? "VMID"}\` (a container: pct unlock) on the node`;
}
