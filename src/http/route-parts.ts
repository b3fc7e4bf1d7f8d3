import { z } from "@hono/zod-openapi";

// What the routes of all rooms have in common.

const content = <Schema extends z.ZodType>(schema: Schema) => ({ "application/json": { schema } });

export const json = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  200: { description, content: content(schema) },
});
export const created = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  201: { description, content: content(schema) },
});
export const body = <Schema extends z.ZodType>(schema: Schema) => ({
  body: { required: true, content: content(schema) },
});
export const nothing = { 204: { description: "done" } } as const;
export const named = { params: z.object({ name: z.string().max(64) }) };
/** A body that is no JSON: text, a stream, a file. */
export const raw = (type: string, description: string) => ({
  200: { description, content: { [type]: { schema: z.string() } } },
});
