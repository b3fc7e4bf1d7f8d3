import { z } from "zod";

/** Which part of a list is wanted; of every list of the API. */
export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  /** `next` of the page before. */
  cursor: z.string().max(300).optional(),
});
export type PageQuery = z.output<typeof pageQuery>;

/** Part of a list; without `next` it is the last one. */
export interface Page<Row> {
  items: Row[];
  next?: string | undefined;
}

export const pageOf = <Row extends z.ZodType>(row: Row) =>
  z.object({ items: z.array(row), next: z.string().optional() });

/**
 * The part of `rows` that comes after the cursor. `rows` are in the order of `keyOf`, which no two share, or in the
 * reverse of it: what is added or removed between two pages shifts nothing.
 */
export function pageFrom<Row>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
  { limit, cursor }: PageQuery,
  order: "ascending" | "descending" = "ascending",
): Page<Row> {
  const after = (key: string, from: string) => (order === "ascending" ? key > from : key < from);
  const rest = cursor === undefined ? rows : rows.filter((row) => after(keyOf(row), cursor));
  return pageOfRows(rest.slice(0, limit + 1), keyOf, limit);
}

/** A time as a key's part: milliseconds since the epoch, in the order of time. */
export const timeKey = (ms: number) => String(ms).padStart(15, "0");

/** A page of what was read with `limit + 1`: the one too many says that there is more. */
export function pageOfRows<Row>(rows: Row[], keyOf: (row: Row) => string, limit: number): Page<Row> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return rows.length > limit && last !== undefined ? { items, next: keyOf(last) } : { items };
}
