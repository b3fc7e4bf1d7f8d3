import { z } from "zod";
import { build } from "../platform/build.ts";
import { errorCodes } from "../platform/errors.ts";

// What every operation has in common is said here once, and added to what the routes describe.

const parameter = z.looseObject({ name: z.string(), in: z.string() });
const media = z.looseObject({ schema: z.unknown().optional(), example: z.unknown().optional() });
const operationSchema = z.looseObject({
  summary: z.string().optional(),
  tags: z.array(z.string()).optional(),
  "x-permission": z.string().default("public"),
  "x-public-because": z.string().optional(),
  "x-once": z.boolean().default(false),
  parameters: z.array(parameter).default([]),
  requestBody: z.looseObject({ content: z.record(z.string(), media) }).optional(),
  responses: z.record(z.string(), z.looseObject({ content: z.record(z.string(), media).optional() })),
});
export const apiDocument = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.looseObject({ schemas: z.record(z.string(), z.unknown()).default({}) }).prefault({}),
});
export type ApiDocument = z.output<typeof apiDocument>;
export type ApiOperation = z.output<typeof operationSchema>;

export const openApiHead = {
  openapi: "3.1.0",
  info: {
    title: "labctl",
    version: build.version,
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    description: "Machines, images, hosts, and who may do what with them. The guide is docs/api.md.",
  },
} as const;

const securitySchemes = {
  certificate: { type: "mutualTLS", description: "a user's certificate, from `labctl login`" },
  token: { type: "http", scheme: "bearer", description: "an api token: `labctl token create --kind api`" },
  session: { type: "apiKey", in: "cookie", name: "__Host-labctl_session", description: "of the web pages" },
};

const problem = {
  type: "object",
  description: "RFC 9457, with a code of a closed list and a hint of what to do",
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    code: { type: "string", enum: Object.keys(errorCodes) },
    hint: { type: "string" },
  },
  required: ["type", "title", "status", "detail", "code"],
  example: {
    type: "about:blank",
    title: "not found",
    status: 404,
    detail: "there is no server 'node9'",
    code: "not-found",
    hint: "labctl get servers",
  },
};

const refusal = (description: string) => ({
  description,
  content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
});
const later = (description: string) => ({
  ...refusal(description),
  headers: { "retry-after": { description: "Seconds.", schema: { type: "integer" } } },
});
const header = (name: string, description: string, schema: object = { type: "string" }) => ({
  name,
  in: "header",
  required: false,
  description,
  schema,
});

/** Whose representation has a tag that changes are held against. */
const conditional = /^(PATCH .*\/labels|PUT .*\/(roles|groups\/\{name\})|POST .*\/boot-options)$/;

/** The description the routes make of themselves, with what holds for all of them. @throws when it is malformed. */
export function completeDocument(described: unknown): ApiDocument {
  const document = apiDocument.parse(withLists(described));
  const paths = Object.fromEntries(
    Object.entries(document.paths).map(([path, methods]) => [
      path,
      Object.fromEntries(
        Object.entries(methods).map(([method, operation]) => [method, complete(method, path, operation)]),
      ),
    ]),
  );
  const schemas = { ...document.components.schemas, Problem: problem };
  return { ...document, paths, components: { ...document.components, schemas, securitySchemes } };
}

function complete(method: string, path: string, operation: ApiOperation): ApiOperation {
  const common = { operationId: operationId(method, path), tags: [tagOf(path)] };
  // Pages are for people, and so are their refusals.
  if (tagOf(path) === "pages") return { ...common, ...operation };
  const guarded = operation["x-permission"] !== "public";
  const asJson = operation.responses["200"]?.content?.["application/json"] !== undefined;
  const api = path.startsWith("/api/");
  // Whoever is asked who they are may fail to say so, or ask too often.
  const asked = api || guarded;
  const changed = conditional.test(`${method.toUpperCase()} ${path}`);
  const parameters = [
    ...operation.parameters,
    ...(operation["x-once"]
      ? [
          header("Idempotency-Key", "The same key, the same answer: it is done once. Remembered for a day.", {
            type: "string",
            minLength: 16,
            maxLength: 255,
            pattern: "^[\\x21-\\x7e]+$",
          }),
        ]
      : []),
    ...(changed
      ? [
          header("If-Match", "Only if this is still its ETag: otherwise 412."),
          header("If-None-Match", "`*`: only if there is none yet: otherwise 412."),
        ]
      : []),
    ...(api && method === "get" && asJson
      ? [header("If-None-Match", "The ETag of what is known: 304 if that holds.")]
      : []),
  ];
  const responses = {
    ...operation.responses,
    ...(parameters.some((each) => each.name === "If-None-Match" && method === "get") && {
      304: { description: "What the asker has still holds." },
    }),
    400: refusal("The request cannot be understood, or a value is not acceptable: it names which."),
    ...(asked && { 401: refusal("Nobody proved who they are, or what was brought as proof does not hold.") }),
    ...((guarded || method !== "get") && { 403: refusal("Not allowed to this identity.") }),
    ...((path.includes("{") || method !== "get") && {
      404: refusal("The thing that is named is not there."),
    }),
    ...(method !== "get" && { 409: refusal("The state of the thing does not allow this.") }),
    ...(changed && { 412: refusal("It was changed since it was read.") }),
    ...(operation.requestBody && { 413: refusal("The body is larger than its bound.") }),
    ...(operation["x-once"] && { 422: refusal("The Idempotency-Key came before, with another request.") }),
    ...(asked && { 429: later("More often than its bound.") }),
    ...(operation.responses["503"]
      ? {}
      : { 503: later("Not now: the database is busy, or its disk is full.") }),
  };
  return {
    ...common,
    ...operation,
    parameters,
    responses,
    security: guarded
      ? [{ certificate: [] }, { token: [] }, { session: [] }]
      : [{}, { certificate: [] }, { token: [] }, { session: [] }],
  };
}

const words = (path: string) =>
  path
    .replace(/^\/api\/(v1\/)?/, "/")
    .split("/")
    .filter((word) => word !== "")
    .map((word) =>
      word.replace(/[{}]/g, "").replace(/\W+(\w)/g, (_, letter: string) => letter.toUpperCase()),
    );

const operationId = (method: string, path: string) =>
  [method, ...words(path).map((word) => word.charAt(0).toUpperCase() + word.slice(1))].join("");

/** The noun an operation is about. */
function tagOf(path: string): string {
  if (path.startsWith("/api/")) return words(path)[0] ?? "api";
  return /^\/(health|metrics)/.test(path) ? "operations" : "pages";
}

/** A tuple of alike members as a list of that length: what reads OpenAPI seldom knows `prefixItems`. */
function withLists(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withLists);
  if (typeof node !== "object" || node === null) return node;
  const entries = Object.entries(node).flatMap(([key, value]): [string, unknown][] => {
    const alike =
      key === "prefixItems" &&
      Array.isArray(value) &&
      new Set(value.map((each) => JSON.stringify(each))).size === 1;
    if (!alike) return [[key, withLists(value)]];
    return Object.entries({ items: withLists(value[0]), minItems: value.length, maxItems: value.length });
  });
  return Object.fromEntries(entries);
}
