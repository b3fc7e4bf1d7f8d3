import { z } from "zod";
import { AppError } from "./errors.ts";
import { nearest } from "./nearest.ts";

/**
 * Reads a configuration text (YAML, already parsed to plain values) with environment overrides on top:
 * `http.port` is overridden by `LABCTL_HTTP_PORT`, `dataDir` by `LABCTL_DATA_DIR`.
 * @param origin the file's name; or, of a key's path, the file's name and the line it is on.
 * @throws `config`, naming file or variable, key and, for an unknown key, the nearest known one.
 */
export function parseConfig<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  origin: string | ((path: readonly PropertyKey[]) => string),
  environment: Record<string, string | undefined> = {},
): z.output<Schema> {
  const merged = overlay(value ?? {}, schema, environment);
  const result = schema.safeParse(merged);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const unknown = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  const path = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])];
  const at = path.join(".");
  const variable = configKeys(schema)
    .filter((key) => `${at}.`.startsWith(`${key}.`))
    .map(environmentName)
    .find((name) => environment[name] !== undefined);
  const where = variable ?? (typeof origin === "string" ? origin : origin(path));
  if (unknown !== undefined) {
    const close = nearest(unknown, keysAt(schema, path.slice(0, -1)));
    throw new AppError("config", `${where}: unknown key '${at}'`, {
      hint: close === undefined ? "labctl config list shows every key" : `did you mean '${close}'?`,
    });
  }
  throw new AppError(
    "config",
    `${where}: ${at === "" ? "the file" : `'${at}'`} ${issue?.message ?? "is not valid"}`,
    {
      hint: "labctl config list shows every key with its default",
    },
  );
}

/** Every settable key with dots, leaves and lists alike: `http.port`, `interfaces`. */
export function configKeys(schema: z.ZodType, prefix = ""): string[] {
  const shape = shapeOf(schema);
  if (shape === undefined) return prefix === "" ? [] : [prefix];
  return Object.entries(shape).flatMap(([key, inner]) =>
    configKeys(inner, prefix === "" ? key : `${prefix}.${key}`),
  );
}

export const environmentName = (key: string) =>
  `LABCTL_${key
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .replaceAll(".", "_")
    .toUpperCase()}`;

/** Puts `LABCTL_…` values over `value`; text is read as YAML reads a plain scalar. */
function overlay(
  value: unknown,
  schema: z.ZodType,
  environment: Record<string, string | undefined>,
): unknown {
  let merged = value;
  for (const key of configKeys(schema)) {
    const text = environment[environmentName(key)];
    if (text === undefined) continue;
    merged = withKey(merged, key.split("."), readValue(text, environmentName(key)));
  }
  return merged;
}

/** One value as YAML has it. @throws `config` naming `where` it stands. */
export function readValue(text: string, where: string): unknown {
  try {
    return Bun.YAML.parse(text);
  } catch (cause) {
    throw new AppError("config", `${where}: '${text}' is not YAML`, {
      hint: "quote it, or close its brackets",
      cause,
    });
  }
}

/** `value` with the key at `path` replaced; everything else is kept. */
export function withKey(value: unknown, path: readonly string[], leaf: unknown): unknown {
  const [head, ...rest] = path;
  if (head === undefined) return leaf;
  const record = isRecord(value) ? value : {};
  return { ...record, [head]: withKey(record[head], rest, leaf) };
}

/** The value under a dotted key. */
export function atKey(value: unknown, key: string): unknown {
  return key.split(".").reduce<unknown>((inner, part) => (isRecord(inner) ? inner[part] : undefined), value);
}

function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let inner: z.ZodType | undefined = schema;
  for (const part of path) {
    if (inner === undefined) return [];
    inner = typeof part === "number" ? elementOf(inner) : shapeOf(inner)?.[String(part)];
  }
  return Object.keys((inner && shapeOf(inner)) ?? {});
}

function unwrap(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) {
    // checked: zod types what these wrap as its core type, of which every schema here is a ZodType
    return unwrap(schema.unwrap() as z.ZodType);
  }
  return schema;
}

function shapeOf(schema: z.ZodType): Record<string, z.ZodType> | undefined {
  const inner = unwrap(schema);
  // checked: a shape's values are the schemas it was made of
  return inner instanceof z.ZodObject ? (inner.shape as Record<string, z.ZodType>) : undefined;
}

function elementOf(schema: z.ZodType): z.ZodType | undefined {
  const inner = unwrap(schema);
  // checked: an array's element is the schema it was made of
  return inner instanceof z.ZodArray ? (inner.element as z.ZodType) : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
