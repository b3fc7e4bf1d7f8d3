import { z } from "zod";

/** A number that may come as text: nextid is `"100"`, memory `"128"`, cores `1`. */
export const number = z.union([
  z.number(),
  z
    .string()
    .regex(/^\s*-?\d+(\.\d+)?([eE][+-]?\d+)?\s*$/)
    .transform(Number),
]);
export const integer = number.refine(Number.isInteger, "not a whole number");

/** A boolean that comes as 0/1, `"0"`/`"1"`, or as JSON's own. */
export const flag = z
  .union([z.boolean(), z.number(), z.string()])
  .transform(
    (value) => value === true || value === 1 || value === "1" || value === "true" || value === "yes",
  );

/** Text that may come as a number: a guest named `101`. */
export const text = z.union([z.string(), z.number().transform(String)]);

/** `a;b c,d`, as tags and content types come. */
export const words = text.transform((value) => value.split(/[;,\s]+/).filter((word) => word !== ""));

/** An optional field: absent, null or of a shape never seen all read as `undefined`. */
export const maybe = <T extends z.ZodType>(shape: T) =>
  shape
    .nullish()
    .transform((value) => value ?? undefined)
    .catch(undefined);
