import { z } from "@hono/zod-openapi";

// What the routes of this room have in common.

export const json = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  200: { description, content: { "application/json": { schema } } },
});
export const body = <Schema extends z.ZodType>(schema: Schema) => ({
  body: { required: true, content: { "application/json": { schema } } },
});
export const nothing = { 204: { description: "done" } } as const;
export const named = { params: z.object({ name: z.string().max(64) }) };
