import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/** Where the API's own description and recorded answers lie; they are not part of this repository. */
export const dataFolder = process.env.LABCTL_PVE_DATA;

const property = z.looseObject({
  type: z.string().optional(),
  optional: z.coerce.boolean().optional(),
  format: z.unknown().optional(),
  enum: z.array(z.unknown()).nullish(),
  minimum: z.coerce.number().optional(),
  maximum: z.coerce.number().optional(),
  maxLength: z.coerce.number().optional(),
  pattern: z.string().optional(),
});
const returns = z.looseObject({
  type: z.string().optional(),
  optional: z.coerce.boolean().optional(),
  properties: z.record(z.string(), property).optional(),
  items: z.looseObject({ properties: z.record(z.string(), property).optional() }).optional(),
});
const method = z.looseObject({
  parameters: z.looseObject({ properties: z.record(z.string(), property).optional() }).optional(),
  returns: returns.optional(),
  permissions: z.unknown().optional(),
});

export type Described = z.infer<typeof method>;
export type Property = z.infer<typeof property>;

interface Branch {
  path: string;
  info?: Record<string, unknown> | undefined;
  children?: Branch[] | undefined;
}
const branch: z.ZodType<Branch> = z.looseObject({
  path: z.string(),
  info: z.record(z.string(), z.unknown()).optional(),
  get children() {
    return z.array(branch).optional();
  },
});

/** `GET /nodes/{node}/qemu` → its description. */
export function readSchema(version: string): Map<string, Described> {
  const text = readFileSync(join(dataFolder ?? "", `apidoc-${version}.json`), "utf8");
  const found = new Map<string, Described>();
  const walk = ({ path, info, children }: Branch) => {
    for (const [name, description] of Object.entries(info ?? {}))
      found.set(`${name} ${path}`, method.parse(description));
    for (const child of children ?? []) walk(child);
  };
  for (const root of z.array(branch).parse(JSON.parse(text))) walk(root);
  return found;
}

const recording = z.object({
  request: z.looseObject({
    method: z.string(),
    path: z.string(),
    token: z.string().nullish(),
    form: z.record(z.string(), z.unknown()).nullish(),
    json: z.record(z.string(), z.unknown()).nullish(),
    body: z.string().nullish(),
  }),
  response: z.looseObject({ status: z.number(), statusText: z.string().nullish(), body: z.unknown() }),
});

export interface Recording extends z.infer<typeof recording> {
  name: string;
}

export function readRecordings(): Recording[] {
  const folder = join(dataFolder ?? "", "recorded");
  return readdirSync(folder)
    .sort()
    .map((file) => ({
      name: file.replace(/\.json$/, ""),
      ...recording.parse(JSON.parse(readFileSync(join(folder, file), "utf8"))),
    }));
}
