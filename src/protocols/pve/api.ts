import type { z } from "zod";
import { AppError } from "../../platform/errors.ts";
import type { TokenOwner } from "./errors.ts";
import type { Need } from "./privileges.ts";
import { isUpid, type Upid } from "./upid.ts";

export interface CallOptions {
  /** Ends the call at once; what was sent may still be carried out. */
  signal?: AbortSignal | undefined;
  /** Milliseconds for the whole call, its repeats included; 60 s when left out. */
  timeoutMs?: number | undefined;
}

export type Params = Readonly<Record<string, string | number | boolean | undefined>>;

export interface ExpectedTask {
  node: string;
  type: string;
  id: string;
  /** The end of a line its log must hold, where type and id are not enough (clones of one source). */
  logLine?: string;
}

export interface Change {
  method: "POST" | "PUT" | "DELETE";
  path: string;
  params?: Params;
  /** What a bare `Permission check failed` would be about. */
  needs?: readonly Need[];
  /** The task it starts, so that it can be looked for when the answer was lost. */
  task?: ExpectedTask;
  /** Setting the same values twice does no harm: no look is needed before a repeat. */
  repeatable?: boolean;
}

export interface ReadAnswer {
  data: unknown;
  total: number | undefined;
}

/** The API of one cluster, whichever node answers. */
export interface PveApi {
  readonly owner: TokenOwner;
  read(path: string, query?: Params, options?: CallOptions): Promise<ReadAnswer>;
  /** The answer's `data`: a UPID for most, null for the few that are done when they answer. */
  change(change: Change, options?: CallOptions): Promise<unknown>;
}

/** `route\`/nodes/${node}/qemu\``: each value one path segment, whatever it holds. */
export function route(strings: TemplateStringsArray, ...values: (string | number)[]): string {
  return strings.reduce(
    (path, part, index) => path + part + (index < values.length ? segment(values[index] ?? "") : ""),
    "",
  );
}

function segment(value: string | number): string {
  const plain = String(value);
  if (plain === "" || plain === "." || plain === "..") {
    throw new AppError("invalid", `'${plain}' cannot be part of a Proxmox API path`);
  }
  return encodeURIComponent(plain);
}

/** `application/x-www-form-urlencoded`, understood by every version; booleans as 1 and 0. */
export function encodeParams(params: Params): string {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined) continue;
    form.append(name, typeof value === "boolean" ? (value ? "1" : "0") : String(value));
  }
  return form.toString();
}

/** Reads `path` and gives its data in `shape`; another shape is an error that names the field. */
export async function readAs<T>(
  api: PveApi,
  shape: z.ZodType<T>,
  path: string,
  query?: Params,
  options?: CallOptions,
): Promise<T> {
  const { data } = await api.read(path, query, options);
  return decodeAs(shape, data, `GET ${path}`);
}

export function decodeAs<T>(shape: z.ZodType<T>, data: unknown, operation: string): T {
  const found = shape.safeParse(data);
  if (found.success) return found.data;
  const issue = found.error.issues[0];
  throw new AppError(
    "unavailable",
    `${operation}: unexpected answer: ${issue?.path.join(".") || "data"}: ${issue?.message}`,
    {
      hint: "is this a Proxmox VE 7, 8 or 9 API? `labctl proxmox selftest` looks closer",
    },
  );
}

/** A change that answers with a task. */
export async function startTask(api: PveApi, change: Change, options?: CallOptions): Promise<Upid> {
  const upid = await changeTask(api, change, options);
  if (upid !== undefined) return upid;
  throw new AppError("unavailable", `${change.method} ${change.path}: the answer holds no task`);
}

/** A change that answers with a task in some versions, or for some requests, and is done at once in others. */
export async function changeTask(
  api: PveApi,
  change: Change,
  options?: CallOptions,
): Promise<Upid | undefined> {
  const data = await api.change(change, options);
  return typeof data === "string" && isUpid(data) ? data : undefined;
}
