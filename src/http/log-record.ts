import { z } from "zod";

/** A record of the process's own log. */
export const logRecord = z.object({
  id: z.number(),
  at: z.number(),
  level: z.enum(["debug", "info", "warn", "error"]),
  message: z.string(),
  fields: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
export const logRecordList = z.object({ items: z.array(logRecord) });
