import { z } from "zod";
import { pageOf } from "../http/page.ts";

/** Part of URLs and file names: no slash, no leading dot. */
export const imageName = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,62}$/,
    "must be lower-case letters, digits, '.', '-' and '_', at most 63",
  );

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be a SHA-256 in hexadecimal");
const fileSchema = z.object({ name: z.string(), size: z.int(), sha256 });

/** A file of an installer, as it is served. */
export type ImageFile = z.output<typeof fileSchema>;
export const imageFilesSchema = z.array(fileSchema);

/** One entry of the catalogue. `size` (bytes) and `sha256` are those of the file as it is served. */
export const imageSchema = z.object({
  name: z.string(),
  kind: z.enum(["disk", "installer"]),
  size: z.int(),
  sha256: z.string(),
  /** Of a disk, unpacked (bytes): no smaller disk can take it. */
  rawSize: z.int().optional(),
  compression: z.enum(["zstd", "none"]).optional(),
  source: z.string(),
  /** Milliseconds since the epoch. */
  addedAt: z.int(),
  files: imageFilesSchema,
});
export type Image = z.output<typeof imageSchema>;

export const imageListSchema = pageOf(imageSchema);

/** How a long operation comes along; one JSON object a line, the last one `done` or `failed`. */
export const progressSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("progress"), what: z.string(), done: z.int(), total: z.int().optional() }),
  z.object({ kind: z.literal("done"), image: imageSchema }),
  z.object({ kind: z.literal("failed"), code: z.string(), message: z.string(), hint: z.string().optional() }),
]);
export type Progress = z.output<typeof progressSchema>;
export type Report = (what: string, done: number, total?: number) => void;

export const pullRequestSchema = z.strictObject({
  os: z.string().max(64),
  unsigned: z.boolean().default(false),
});
export const addRequestSchema = z.strictObject({
  upload: z.uuid(),
  source: z.string().max(512),
  /** Of the file as it was uploaded. */
  sha256: sha256.optional(),
  replace: z.boolean().default(false),
});
export const uploadSchema = z.object({ upload: z.string(), size: z.int() });
/** Bytes of one piece of an upload; the listener's bound on bodies is above it. */
export const uploadPieceBytes = 2 * 1024 * 1024;
